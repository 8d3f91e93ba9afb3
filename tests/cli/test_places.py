#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results and the files beside them go: through links that lead there on purpose, not through planted ones, and
not beyond a limit of the file size."""

import fcntl
import json
import os
import resource
import signal

import runner
from small import OUTPUT, SOON_S, USAGE, SmallTest

MIB = 1 << 20


def limited(n_byte):
    """For a child: no file longer than this."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and children inherit that
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_byte, n_byte))
    return limit


class Links(SmallTest):
    """The output is a symbolic link."""

    def linked(self, name, target=None):
        """A job whose output <name>.hdf5 is a link to <name>-far/real.hdf5."""
        (self.dir / f"{name}-far").mkdir()
        (self.dir / f"{name}.hdf5").symlink_to(target or f"{name}-far/real.hdf5")
        return self.job(name), self.dir / f"{name}-far/real.hdf5"

    def test_results_are_made_where_a_link_leads(self):
        """To nothing yet, by two links; made, continued, and made anew."""
        job, real = self.linked("link")
        (self.dir / "link2.hdf5").symlink_to("link.hdf5")
        self.call("run", "--max-galaxies", 1, self.job("link2"))
        self.assertTrue(real.is_file() and not real.is_symlink())
        inode = real.stat().st_ino
        self.call("run", job, ranks=3)
        self.assertEqual(real.stat().st_ino, inode)
        self.expect_same(runner.read_bytes(real), runner.read_bytes(self.dir / "untouched.hdf5"), "through a link")
        self.call("run", "--overwrite", job)
        for link in ("link.hdf5", "link2.hdf5"):
            self.assertTrue((self.dir / link).is_symlink())
        self.expect_same(runner.read_bytes(real), runner.read_bytes(self.dir / "untouched.hdf5"), "made anew")

    def test_all_that_is_named_after_results_is_beside_them(self):
        """Not beside the link: status file and trace; `status` finds it by either name, and so does a stop file."""
        job, real = self.linked("side")
        self.call("run", job)
        self.assertEqual(sorted(os.listdir(real.parent)), ["real.hdf5", "real.hdf5.status.json", "real.trace.hdf5"])
        self.assertEqual(sorted(path.name for path in self.dir.glob("side.*")), ["side.hdf5", "side.yaml"])
        for path in ("side.hdf5", "side-far/real.hdf5"):
            self.assertIn("the last run: done", self.call("status", path))
        for stop in (self.dir / "side.hdf5.stop", real.parent / "real.hdf5.stop"):
            stop.touch()
            self.call("run", "--overwrite", job, expected=4)
            self.assertFalse(stop.exists())

    def test_one_lock_for_all_names(self):
        """By the link, by the name it leads to, by a hard link."""
        job, real = self.linked("names")
        self.call("run", "--max-galaxies", 1, job)
        os.link(real, self.dir / "hard.hdf5")
        with open(f"{real}.lock", "w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.expect(OUTPUT, job, "another run", command="run")
            self.expect(OUTPUT, self.job("direct", output="names-far/real.hdf5"), "another run", command="run")
        os.unlink(f"{real}.lock")
        self.call("run", self.job("hard"))
        self.assertIn("3 done", self.call("status", "names.hdf5"))

    def test_links_that_lead_nowhere_are_told(self):
        """In a circle: the job's fault. Into a directory that is not there: it cannot be made."""
        (self.dir / "circle.hdf5").symlink_to("circle.hdf5")
        self.expect(USAGE, self.job("circle"), "circle.hdf5", command="run")
        (self.dir / "lost.hdf5").symlink_to("missing/real.hdf5")
        self.expect(OUTPUT, self.job("lost"), "missing/real.hdf5", command="run")
        self.assertTrue((self.dir / "lost.hdf5").is_symlink())

    def test_inputs_are_made_where_a_link_leads(self):
        for command, name in (("demo-grid", "g.hdf5"), ("demo-catalogue", "c.hdf5")):
            (self.dir / name).symlink_to(f"real-{name}")
            self.call(command, "-o", name)
            self.assertTrue((self.dir / name).is_symlink() and (self.dir / f"real-{name}").is_file())

    def test_a_trace_is_not_written_over_that_of_other_results(self):
        """Of 'twin' and 'twin.hdf5', which have the same name for it."""
        for output, trace in (("twin.hdf5", "twin.trace.hdf5"), ("twin", "twin.trace.2.hdf5")):
            for _ in range(2):
                self.assertIn(f"trace of this run: {trace}\n", self.call("run", "--overwrite", self.job("twin", output=output)))

    def test_a_trace_is_not_written_over_results_by_a_link(self):
        (self.dir / "t.hdf5").symlink_to("same.hdf5")
        self.expect(USAGE, self.job("same", ("threads: 1\n", "threads: 1\ntrace_output: t.hdf5\n")), "trace_output",
                    "is the results file", command="run")


class Planted(SmallTest):
    """Somebody put a link or a file where we write beside the results."""

    def setUp(self):
        self.victim = self.dir / "victim"
        self.victim.write_text("precious\n", encoding="ascii")

    def tearDown(self):
        self.assertEqual(self.victim.read_text(encoding="ascii"), "precious\n")

    def test_a_lock_that_is_not_ours_is_refused(self):
        """A link is not followed, a file neither written to nor removed."""
        lock = self.dir / "lock.hdf5.lock"
        job = self.job("lock")
        for ranks in (None, 3):
            lock.symlink_to("victim")
            self.expect(OUTPUT, job, "lock.hdf5.lock", "symbolic link", command="run", ranks=ranks)
            self.assertTrue(lock.is_symlink())
            lock.unlink()
            lock.write_text("somebody else's\n", encoding="ascii")
            self.expect(OUTPUT, job, "lock.hdf5.lock", "no lock file of ours", command="run", ranks=ranks)
            self.assertEqual(lock.read_text(encoding="ascii"), "somebody else's\n")
            lock.unlink()
        self.assertFalse((self.dir / "lock.hdf5").exists())

    def test_a_partial_file_that_is_not_ours_is_refused(self):
        """Of the results, of a demo's file."""
        for name, command in (("mine.hdf5", ("run", self.job("mine"))), ("g.hdf5", ("demo-grid", "-o", "g.hdf5"))):
            partial = self.dir / f"{name}.partial"
            partial.write_text("somebody else's\n", encoding="ascii")
            self.assertIn(f"'{name}.partial' is there and is not of ours", self.call(*command, expected=OUTPUT))
            self.assertEqual(partial.read_text(encoding="ascii"), "somebody else's\n")
            self.assertFalse((self.dir / name).exists())

    def test_links_at_other_names_are_replaced_not_followed(self):
        job = self.job("side")
        for ranks in (None, 3):
            for name in ("side.hdf5.partial", "side.hdf5.status.json", "side.hdf5.status.json.tmp",
                         "side.trace.hdf5.partial"):
                (self.dir / name).unlink(missing_ok=True)
                (self.dir / name).symlink_to("victim")
            self.call("run", "--overwrite", job, ranks=ranks)
            state = json.loads((self.dir / "side.hdf5.status.json").read_text(encoding="utf-8"))
            self.assertEqual(state["state"], "done")
            self.assertEqual(sorted(path.name for path in self.dir.glob("side.*")),
                             ["side.hdf5", "side.hdf5.status.json", "side.trace.hdf5", "side.yaml"])


class Limits(SmallTest):
    """RLIMIT_FSIZE: ulimit -f, or a batch system."""

    def call_limited(self, n_byte, *command, expected=OUTPUT):
        """Its output."""
        code, output = runner.finish(runner.start([self.program, *command], cwd=self.dir, preexec_fn=limited(n_byte)),
                                     SOON_S)
        self.assertEqual(code, expected, output)
        return output

    def expect_too_large(self, n_byte, name, *command):
        """Exit code 5, one line that says why, and nothing is left."""
        output = self.call_limited(n_byte, *command)
        self.assertIn("File too large (ulimit -f", output)
        self.assertEqual(output.count("polyphony: "), 1, output)
        self.assertEqual(list(self.dir.glob(f"{name}*")), [])

    def test_a_file_that_would_be_too_large_is_not_begun(self):
        """Less than is held back to begin; less than the datasets need, which HDF5 says too late; less than a lock."""
        self.call("demo-catalogue", "--ngalaxies=3000", "--nparticles=1", "-o", "many.hdf5")
        job = self.job("long", ("catalogue: catalogue.hdf5", "catalogue: many.hdf5"), output="large.hdf5")
        for n_byte in (20480, 4 * MIB, 12 * MIB, 16 * MIB, 100):
            self.expect_too_large(n_byte, "large.hdf5", "run", job)
        self.expect_too_large(12 * MIB, "g.hdf5", "demo-grid", "--nages=30", "--nmetallicities=10", "-o", "g.hdf5")
        self.expect_too_large(12 * MIB, "c.hdf5", "demo-catalogue", "-g", 50, "-n", 9000, "-o", "c.hdf5")

    def test_rows_beyond_the_limit_end_the_run_which_continues_without(self):
        self.call("demo-catalogue", "--ngalaxies=3000", "--nparticles=1", "-o", "many.hdf5")
        job = self.job("rows", ("catalogue: catalogue.hdf5", "catalogue: many.hdf5"))
        self.call("run", "--max-galaxies", 1, job)
        output = self.call_limited(9 * MIB, "run", job)
        self.assertIn("'rows.hdf5': cannot be written: File too large (ulimit -f", output)
        self.assertEqual(list(self.dir.glob("rows.hdf5.lock")) + list(self.dir.glob("*.partial")), [])
        self.call("run", job)
        self.call("verify", "rows.hdf5")


if __name__ == "__main__":
    runner.main()
