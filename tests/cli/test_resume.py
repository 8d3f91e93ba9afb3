#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is stopped or killed, at any moment and in any way, is continued to the same bits."""

import hashlib
import os
import random
import re
import signal
import time

import h5py

import runner

N_GALAXY = 500
N_STAR = 2000  # the direct method takes 7 ms for them
POLL_S = 0.01
JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: {threads}
emission: {{model: pacman, tau_v: los, fesc: 0.1, method: {method}}}
instruments:
  - {{label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}}
operations:
  los_optical_depths: {{write_particles: yes}}
  sfzh: {{}}
  spectra: {{labels: [intrinsic, emergent]}}
  photometry_fluxes: {{labels: [emergent]}}
  images_flux: {{labels: [emergent], fov_arcsec: 1}}
schedule: {{mode: {mode}, max_batch_galaxies: {max_batch}}}
progress: no
"""


def read_children(pid):
    """Process ids of the children of a process, by rank of those that are ranks."""
    ranks, others = {}, []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return {}, []
    for child in children:
        try:
            with open(f"/proc/{child}/environ", "rb") as file:
                rank = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", file.read())
        except OSError:
            continue
        if rank:
            ranks[int(rank[1])] = child
        else:
            others.append(child)
    return ranks, others


def kill(pid, number):
    """A signal, unless the process has ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def hash_file(path):
    """Of all bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class ResumeTest(runner.ProgramTest):
    """Many small galaxies by the slow method: about three seconds of work for two workers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.call("demo-catalogue", "-g", N_GALAXY, "-n", N_STAR, "-o", "catalogue.hdf5")
        begin = time.monotonic()
        cls.call("run", cls.write_job("reference", JOB, method="direct"), ranks=3)
        cls.seconds = time.monotonic() - begin
        cls.reference = runner.read_bytes(cls.dir / "reference.hdf5")

    def read_status(self, name, expected):
        """Numbers (all, done, set aside, left) of `polyphony status`, which ends with the code expected."""
        output = self.call("status", f"{name}.hdf5", expected=expected)
        found = re.search(r"(\d+) galaxies: (\d+) done, (\d+) set aside, (\d+) left", output)
        self.assertTrue(found, f"no numbers in: {output}")
        return [int(number) for number in found.groups()]

    def count_done(self, name):
        """Rows done so far; 0 while there is no file."""
        if not (self.dir / f"{name}.hdf5").exists():
            return 0
        process = runner.start([self.program, "status", f"{name}.hdf5"], cwd=self.dir)
        output = runner.finish(process)[1]
        found = re.search(r"(\d+) done", output)
        self.assertTrue(found, f"status while the job runs said: {output}")
        return int(found[1])

    def interrupt(self, name, n_done, act, ranks=3):
        """Start the job, and when n_done rows are done call act(process). Its exit code and output."""
        job = self.write_job(name, JOB, method="direct", max_batch=4)
        process = runner.start([self.program, "run", job], ranks, cwd=self.dir)
        deadline = time.monotonic() + runner.LONGEST_RUN_S
        while (process.poll() is None and self.count_done(name) < n_done
               and time.monotonic() < deadline):
            time.sleep(POLL_S)
        if process.poll() is None:
            act(process)
        return runner.finish(process)

    def expect_interrupted(self, name, n_done):
        """Some rows are done, some are left, and status says so."""
        total, done, aside, left = self.read_status(name, 4)
        self.assertEqual((total, aside, done + left), (N_GALAXY, 0, N_GALAXY))
        self.assertGreaterEqual(done, n_done)
        self.assertGreater(left, 0)

    def expect_continued(self, name, ranks=3):
        """The same command ends with the bits of a run that was never interrupted."""
        self.call("run", f"{name}.yaml", ranks=ranks)
        self.assertEqual(self.read_status(name, 0), [N_GALAXY, N_GALAXY, 0, 0])
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)
        (self.dir / f"{name}.hdf5").unlink()

    def test_one_process_stops_on_a_signal_with_code_4(self):
        """SIGTERM, SIGINT and SIGUSR1 without mpirun."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            name = f"alone-{number.name}"
            with self.subTest(name):
                code, output = self.interrupt(name, 20, lambda process, n=number: kill(process.pid, n),
                                              ranks=None)
                self.assertEqual(code, 4, output)
                self.assertIn("the same command continues", output)
                self.expect_interrupted(name, 20)
        self.expect_continued(name)

    def test_sigusr1_to_mpirun_stops_all_ranks_with_code_4(self):
        """mpirun passes it on."""
        code, output = self.interrupt("usr1", 50, lambda process: kill(process.pid, signal.SIGUSR1))
        self.assertEqual(code, 4, output)
        self.assertIn("the same command continues", output)
        self.expect_interrupted("usr1", 50)
        self.expect_continued("usr1", ranks=2)

    def test_sigterm_to_mpirun_ends_the_job(self):
        """mpirun ends its ranks, with a code of its own or ours."""
        code, output = self.interrupt("term", 50, lambda process: kill(process.pid, signal.SIGTERM))
        self.assertNotEqual(code, 0, output)
        self.assertGreaterEqual(self.count_done("term"), 50)  # all, if they make use of the second that mpirun gives them
        self.expect_continued("term")

    def test_a_killed_rank_loses_nothing(self):
        """kill -9 of the dealer or of a worker, at different moments."""
        for rank, n_done in ((2, 1), (1, 200), (0, 120)):
            name = f"kill{rank}-{n_done}"
            with self.subTest(name):
                def act(process, victim=rank):
                    ranks, _ = read_children(process.pid)
                    self.assertIn(victim, ranks, f"mpirun has the ranks {ranks}")
                    kill(ranks[victim], signal.SIGKILL)
                code, output = self.interrupt(name, n_done, act)
                self.assertNotEqual(code, 0, output)
                self.expect_interrupted(name, n_done)
                self.expect_continued(name)

    def test_a_job_killed_again_and_again_comes_to_its_end(self):
        """Everything at once, mpirun first, as when a node dies; at random moments."""
        moments, n_kill = random.Random(4), 0

        def act(process):
            nonlocal n_kill
            time.sleep(moments.uniform(0.1, 0.5) * self.seconds)  # a fifth is gone before the first galaxy
            if process.poll() is None:
                ranks, others = read_children(process.pid)
                for pid in (process.pid, *ranks.values(), *others):
                    kill(pid, signal.SIGKILL)
                n_kill += 1
        for _ in range(40):
            code, _ = self.interrupt("again", 0, act)
            if code == 0:
                break
        self.assertEqual(code, 0, "no end after 40 attempts")
        self.assertGreaterEqual(n_kill, 3)
        self.expect_same(runner.read_bytes(self.dir / "again.hdf5"), self.reference, f"after {n_kill} kills")

    def test_a_layout_that_was_never_finished_is_made_anew(self):
        """What a run killed while laying out leaves is <output>.partial."""
        for content in (b"", bytes(9000), (self.dir / "reference.hdf5").read_bytes()[:5000]):
            (self.dir / "stale.hdf5.partial").write_bytes(content)
            self.call("run", self.write_job("stale", JOB, method="direct"), ranks=3)
            self.assertFalse((self.dir / "stale.hdf5.partial").exists())
            self.expect_same(runner.read_bytes(self.dir / "stale.hdf5"), self.reference, "stale layout")
            (self.dir / "stale.hdf5").unlink()

    def test_a_second_run_does_nothing(self):
        """Exit code 0, and not a byte of the file changes."""
        path = self.dir / "reference.hdf5"
        before, mtime_ns = hash_file(path), path.stat().st_mtime_ns
        for ranks in (None, 3):
            self.call("run", "reference.yaml", ranks=ranks)
            self.assertEqual(self.read_status("reference", 0), [N_GALAXY, N_GALAXY, 0, 0])
        self.assertEqual(hash_file(path), before)
        self.assertEqual(path.stat().st_mtime_ns, mtime_ns)

    def test_overwrite_begins_anew(self):
        """--overwrite is the way to another job with the same output."""
        job = self.write_job("anew", JOB, catalogue="few.hdf5")
        self.call("demo-catalogue", "-g", 3, "-n", 20, "-o", "few.hdf5")
        self.call("run", job)
        job.write_text(job.read_text(encoding="utf-8").replace("fesc: 0.1", "fesc: 0.2"), encoding="utf-8")
        output = self.call("run", job, ranks=2, expected=2)
        self.assertIn("emission.fesc", output)
        self.call("run", "--overwrite", job, ranks=2)
        self.assertEqual(self.read_status("anew", 0), [3, 3, 0, 0])

    def test_galaxies_set_aside_are_told_and_stay_so(self):
        """Exit code 1 of the run, of a second run, and of status, which says why."""
        self.call("demo-catalogue", "-g", 6, "-n", 20, "-o", "rotten.hdf5")
        with h5py.File(self.dir / "rotten.hdf5", "r+") as file:
            file["Stars/initial_masses"][2 * 20 + 7] = -1.0
        job = self.write_job("bad", JOB, catalogue="rotten.hdf5")
        for ranks in (3, None):
            self.call("run", job, ranks=ranks, expected=1)
            self.assertEqual(self.read_status("bad", 1), [6, 5, 1, 0])
        output = self.call("status", "bad.hdf5", expected=1)
        self.assertRegex(output, r"set aside: galaxy \d+ \(row 2, Reading\): .*initial_masses.*-1")
        self.call("status", "nowhere.hdf5", expected=3)


if __name__ == "__main__":
    runner.main()
