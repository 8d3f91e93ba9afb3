#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in jobs/ under a real SLURM: time limits, dead nodes, killed ranks and people who stop them.

    test_slurm.py PROGRAM [--long] [unittest arguments]        --long: also what takes minutes more

Each node has one core, so a job of N nodes has one rank that deals and N that compute. The first job is submitted at
once and runs into its time limit on n1 while the other tests use n2 and n3: SLURM counts time limits in minutes.
"""

import os
import re
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))
from cluster import PACKAGES, PROGRAMS, Cluster, wait_until  # noqa: E402
from sandbox import enter_sandbox  # noqa: E402
from steady import N_GALAXY, SteadyTest, runner  # noqa: E402

IS_LONG = "--long" in sys.argv
N_ROW = 4  # of each worker; then it stands still, and something happens
# SLURM looks at time limits every 30 s and may send the signal for the last 20 s so much earlier: 10 to 40 s after the
# start.
LIMITED_S = 50
SIGNAL = "--signal=B:USR1@20"
LONGEST_S = 240  # a hang; a loaded machine takes several times as long as it should
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY")


class SlurmTest(SteadyTest):
    """One cluster for all tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = {}  # by job
        cls.cluster = Cluster(cls.dir / "slurm")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        hold = cls.hold("limited", row_s=LIMITED_S / N_GALAXY)
        cls.limited = cls.submit("limited", "--time=1", SIGNAL, nodes=["n1"], hold=hold)

    # ---- jobs ----------------------------------------------------------------------------------

    @classmethod
    def submit(cls, name, *options, script="production", nodes=("n2", "n3"), catalogue="catalogue", arguments=(), hold=None, **site):
        """A job for <name>.yaml, written now unless it is there; its number."""
        path = cls.dir / f"{name}.yaml"
        if script != "smoke":
            if not path.exists():
                cls.write_steady(name, catalogue, threads=0)  # what the job script says
            arguments = (path, *arguments)
        site = {"POLYPHONY": cls.program, "SCRATCH": cls.dir, "RETRY_PAUSES_S": "1 1 1"} | site
        if hold:
            site |= hold.variables
        log = cls.dir / f"{name}.log"
        job = cls.cluster.submit(f"--nodelist={','.join(nodes)}", f"--nodes={len(nodes)}", f"--output={log}", *options,
                                 f"jobs/{script}.sbatch", *arguments, cwd=runner.ROOT, **site)
        cls.logs[job] = log
        return job

    def read_log(self, job):
        """What a job has said so far."""
        path = self.logs[job]
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def wait_for_end(self, job, state="COMPLETED", code=0, restarts=0):
        """Until a job has ended, in this way; its log."""
        shown = self.cluster.wait_for(job, ENDED, LONGEST_S)
        found = (shown["JobState"], shown["ExitCode"].split(":")[0], shown["Restarts"])
        self.assertEqual(found, (state, str(code), str(restarts)), f"job {job} {shown}\n{self.read_log(job)}")
        return self.read_log(job)

    def submit_held(self, name, *options, row_s=0, nodes=("n2", "n3"), **site):
        """A job that comes to stand still in its middle; its number, and what holds it."""
        hold = self.hold(name, N_ROW, row_s)
        job = self.submit(name, *options, nodes=nodes, hold=hold, **site)

        def is_there():
            if self.cluster.show(job)["JobState"] in ENDED:
                self.fail(f"job {job} ended before it was hit\n{self.read_log(job)}")
            return len(hold.list_held()) == len(nodes)
        wait_until(is_there, LONGEST_S, lambda: f"job {job} in its middle\n{self.read_log(job)}")
        return job, hold

    # ---- tests ---------------------------------------------------------------------------------

    def test_smoke(self):
        """Unchanged."""
        log = self.wait_for_end(self.submit("smoke", script="smoke"))
        self.assertIn("All is well", log)
        self.assertIn("2 nodes, 1 cores each: 1 dealing rank, 1 computing ranks a node, 1 threads each", log)

    def test_a_dead_node_requeues_the_job(self):
        """A power cut of the node that does not deal; the job waits until there are two nodes again."""
        job, hold = self.submit_held("cut", RETRY_PAUSES_S="5 60 60")
        self.cluster.power_cut("n3")
        hold.release()
        # SLURM takes ten seconds to notice (SlurmdTimeout).
        wait_until(lambda: self.cluster.show(job)["Restarts"] == "1", LONGEST_S, "the job is not requeued")
        self.cluster.power_on("n3")
        log = self.wait_for_end(job, restarts=1)
        self.assertIn("Started again by SLURM (1)", log)
        self.expect_reference("cut")

    def test_a_dead_slurmd_disturbs_nobody(self):
        """Ranks on its node go on."""
        job, hold = self.submit_held("slurmd")
        self.cluster.kill_slurmd("n3")
        hold.release()
        log = self.wait_for_end(job)
        self.assertNotIn("again in", log)
        self.cluster.start_slurmd("n3")
        wait_until(lambda: self.cluster.count_idle() >= 2, LONGEST_S, "n3 does not come back")
        self.expect_reference("slurmd")

    def test_a_killed_rank_starts_the_run_again(self):
        """In the same job, by either launcher."""
        job, hold = self.submit_held("killed", LAUNCHER="mpirun")
        os.kill(self.cluster.nodes["n3"].list_processes(f"^{self.program} run")[0], signal.SIGKILL)
        hold.release()
        wait_until(lambda: "again in 1 s" in self.read_log(job), LONGEST_S, "the run is not started again")
        log = self.wait_for_end(job)
        self.assertIn("continuing", log)
        self.expect_reference("killed")

    def test_a_stopped_or_cancelled_job_stays_away(self):
        """Stop file, then scancel, then to the end: three jobs."""
        job, hold = self.submit_held("stopped", row_s=1)
        (self.dir / "stopped.hdf5.stop").touch()
        hold.release()
        log = self.wait_for_end(job, "FAILED", 4)
        self.assertIn("Stopped early: stop file; not requeued", log)

        job, hold = self.submit_held("stopped", row_s=1)
        self.cluster.call("scancel", job)
        hold.release()
        self.assertEqual(self.cluster.wait_for(job, ENDED, LONGEST_S)["JobState"], "CANCELLED")
        wait_until(lambda: "Stopped; submit again" in self.read_log(job), LONGEST_S, lambda: self.read_log(job))
        self.assertEqual(self.read_state("stopped")["reason"], "signal 15")
        time.sleep(1)  # whatever it might do now
        self.assertEqual(self.cluster.show(job)["JobState"], "CANCELLED")
        log = self.wait_for_end(self.submit("stopped"))
        self.assertIn("continuing", log)
        self.expect_reference("stopped")

    def test_a_job_without_progress_gives_up(self):
        """One galaxy, longer than there is time."""
        self.call("demo-catalogue", "-g", 1, "-n", 2000000, "-o", "one-galaxy.hdf5")
        job = self.submit("huge", "--time=2", catalogue="one-galaxy", REQUEUE_MARGIN_S=115)
        wait_until(lambda: "1 galaxies to do" in self.read_log(job), LONGEST_S, lambda: self.read_log(job))
        time.sleep(1)  # it is dealt
        self.cluster.call("scancel", "--signal=USR1", "--batch", job)
        log = self.wait_for_end(job, "FAILED", 4)
        self.assertIn("No galaxy was finished within the time limit; not requeued", log)

    def test_a_large_catalogue_is_checked_first(self):
        """Predictions in the log, and no ranks for a job file that is wrong."""
        log = self.wait_for_end(self.submit("large", script="catalogue"))
        # What check says of the grid, what simulate says of four times as many workers, then the run.
        self.assertRegex(log, re.compile("^grid .*^ +8 +dynamic .*galaxies to do", re.MULTILINE | re.DOTALL))
        (self.dir / "wrong.yaml").write_text("catalogue: missing.hdf5\n", encoding="utf-8")
        log = self.wait_for_end(self.submit("wrong", script="catalogue"), "FAILED", 2)
        self.assertNotIn("galaxies to do", log)

    @unittest.skipUnless(IS_LONG, "--long")
    def test_a_run_survives_the_loss_of_a_node(self):
        """SURVIVE=yes and sbatch --no-kill."""
        job, hold = self.submit_held("survived", "--no-kill", LAUNCHER="mpirun", SURVIVE="yes")
        self.cluster.power_cut("n3")
        hold.release()
        log = self.wait_for_end(job)
        self.assertNotIn("again in", log)
        self.cluster.power_on("n3")
        self.expect_reference("survived")
        wait_until(lambda: self.cluster.count_idle() >= 2, LONGEST_S, "n3 does not come back")

    @unittest.skipUnless(IS_LONG, "--long")
    def test_a_signal_to_the_ranks_stops_the_job(self):
        """As README.md tells people, with either launcher."""
        for launcher in ("srun", "mpirun"):
            job, hold = self.submit_held("signalled", row_s=1, LAUNCHER=launcher)
            self.cluster.call("scancel", "--signal=INT", job)
            hold.release()
            log = self.wait_for_end(job, "FAILED", 4)
            self.assertIn("not requeued, submit again", log)

    @unittest.skipUnless(IS_LONG, "--long")
    def test_the_loss_of_the_dealing_node_is_continued(self):
        """With the batch script; SLURM itself requeues."""
        job, hold = self.submit_held("dealer")
        self.cluster.power_cut("n2")
        hold.release()
        wait_until(lambda: self.cluster.show(job)["Restarts"] == "1", LONGEST_S, "the job is not requeued")
        self.cluster.power_on("n2")
        self.wait_for_end(job, restarts=1)
        self.expect_reference("dealer")

    def test_the_time_limit_requeues_the_job_until_it_is_done(self):
        """The job that was submitted first, looked at last; an uninterrupted run has the same bits."""
        shown = self.cluster.wait_for(self.limited, ENDED, LONGEST_S)
        log = self.read_log(self.limited)
        self.assertEqual((shown["JobState"], shown["ExitCode"]), ("COMPLETED", "0:0"), log)
        self.assertGreaterEqual(int(shown["Restarts"]), 1, log)
        self.assertIn("The time limit is near", log)
        self.assertIn("back to the queue", log)
        self.assertIn("Started again by SLURM (1)", log)
        self.expect_reference("limited")


if __name__ == "__main__":
    enter_sandbox(PROGRAMS, PACKAGES)
    if IS_LONG:
        sys.argv.remove("--long")
    runner.main()
