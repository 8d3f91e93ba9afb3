#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is stopped or killed, at any moment and in any way, is continued to the same bits."""

import hashlib
import random
import re
import signal
import time

import h5py

import runner
from interrupting import JOB, N_GALAXY, InterruptTest, Ledger, kill, kill_all, kill_rank, wait_until

HALF = N_GALAXY // 2
ROW_S = 0.02


def hash_file(path):
    """Of all bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class ResumeTest(InterruptTest):
    """Small galaxies by the slow method, which has one of them in hand; runs stand still while they are interrupted."""

    def read_status(self, name, expected):
        """Numbers (all, done, set aside, left) of `polyphony status`, which ends with the code expected."""
        output = self.call("status", f"{name}.hdf5", expected=expected)
        found = re.search(r"(\d+) galaxies: (\d+) done, (\d+) set aside, (\d+) left", output)
        self.assertTrue(found, f"no numbers in: {output}")
        return [int(number) for number in found.groups()]

    def interrupt(self, name, act, n_done=HALF, **options):  # pylint: disable=arguments-differ
        """As that of InterruptTest; `status` works on the file of a run that is under way."""
        def look_and_act(process):
            self.assertEqual(self.read_status(name, 4), [N_GALAXY, n_done, 0, N_GALAXY - n_done])
            act(process)
        return super().interrupt(name, look_and_act, n_done, **options)

    def expect_interrupted(self, name, n_done):
        """Some rows are done, some are left, and status says so."""
        total, done, aside, left = self.read_status(name, 4)
        self.assertEqual((total, aside, done + left), (N_GALAXY, 0, N_GALAXY))
        self.assertGreaterEqual(done, n_done)
        self.assertGreater(left, 0)

    def expect_continued(self, name, ranks=3):
        """The same command ends with the bits of a run that was never interrupted."""
        self.expect_complete(name, ranks)
        self.assertEqual(self.read_status(name, 0), [N_GALAXY, N_GALAXY, 0, 0])
        (self.dir / f"{name}.hdf5").unlink()

    def test_one_process_stops_on_a_signal_with_code_4(self):
        """SIGTERM, SIGINT and SIGUSR1 without mpirun."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            name = f"alone-{number.name}"
            with self.subTest(name):
                code, output = self.interrupt(name, lambda process, n=number: kill(process.pid, n), ranks=None)
                self.assertEqual(code, 4, output)
                self.assertIn("the same command continues", output)
                self.expect_interrupted(name, HALF)
        self.expect_continued(name)

    def test_sigusr1_to_mpirun_stops_all_ranks_with_code_4(self):
        """mpirun passes it on."""
        ranks_told = []

        def act(process):
            kill(process.pid, signal.SIGUSR1)
            time.sleep(1)  # the ranks stand still, so that all of them have been told before they go on
            ranks_told.append(process.poll())
        code, output = self.interrupt("usr1", act)
        self.assertEqual(ranks_told, [None])
        self.assertEqual(code, 4, output)
        self.assertIn("the same command continues", output)
        self.expect_interrupted("usr1", HALF)
        self.expect_continued("usr1", ranks=2)

    def test_sigterm_to_mpirun_ends_the_job(self):
        """mpirun ends its ranks, with a code of its own or ours."""
        code, output = self.interrupt("term", lambda process: kill(process.pid, signal.SIGTERM), row_s=ROW_S)
        self.assertNotEqual(code, 0, output)
        # All, if they make use of the second that mpirun gives them.
        self.assertGreaterEqual(Ledger(self.dir / "term.hdf5").count_done(), HALF)
        self.expect_continued("term")

    def test_a_killed_rank_loses_nothing(self):
        """kill -9 of the dealer or of a worker, at different moments; the others stand still or not."""
        for rank, n_done, goes_on in ((2, 2, False), (1, 30, True), (0, HALF, True), (0, HALF, False)):
            name = f"kill{rank}-{n_done}-{goes_on}"
            with self.subTest(name):
                code, output = self.interrupt(name, lambda process, victim=rank: kill_rank(process, victim), n_done,
                                              goes_on=goes_on, row_s=ROW_S)
                self.assertNotEqual(code, 0, output)
                if not goes_on:
                    self.expect_interrupted(name, n_done)
                self.expect_continued(name)

    def test_a_job_killed_again_and_again_comes_to_its_end(self):
        """Everything at once, mpirun first, as when a node dies; at random moments, some before the first galaxy."""
        moments, n_kill = random.Random(4), 0
        self.write_job("again", JOB, method="direct", max_batch=4)
        ledger = Ledger(self.dir / "again.hdf5")
        for attempt in range(40):
            n_wanted = ledger.count_done() + (moments.randint(1, 8) if attempt % 3 else 0)
            process = self.start_run("again", hold=self.hold("again", row_s=ROW_S))
            wait_until(lambda n=n_wanted: ledger.count_done() >= n, process)
            time.sleep(moments.uniform(0, 0.4) if attempt % 3 == 0 else moments.uniform(0, 2 * ROW_S))
            if process.poll() is None:
                kill_all(process)
                n_kill += 1
            code, _ = runner.finish(process)
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
