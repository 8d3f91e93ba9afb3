#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in jobs/ under a real SLURM: time limits, dead nodes, killed ranks and people who stop them.

    test_slurm.py PROGRAM [--long] [unittest arguments]        --long: also what takes minutes more

Each node has one core, so a job of N nodes has one rank that deals and N that compute. The first job is submitted at once and
runs into its time limit on n1 while the other tests use n2 and n3: SLURM counts time limits in minutes.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import runner  # noqa: E402
from cluster import PACKAGES, PROGRAMS, Cluster, wait_until  # noqa: E402
from sandbox import enter_sandbox  # noqa: E402

JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
emission: {{model: pacman, tau_v: los, fesc: 0.1, method: direct}}
operations:
  los_optical_depths: {{}}
  spectra: {{}}
schedule: {{max_batch_galaxies: 4}}
"""
IS_LONG = "--long" in sys.argv
SHORT_S = 20  # of computing: ten seconds on two nodes, in the middle of which something happens
# SLURM looks at time limits every 30 s and may send the signal for the last 20 s so much earlier: 10 to 40 s after the start.
LIMITED_S = 55
SIGNAL = "--signal=B:USR1@20"
LONGEST_S = 240  # a hang; a loaded machine takes several times as long as it should
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY")


class SlurmTest(runner.ProgramTest):
    """One cluster for all tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.logs = {}  # by job
        cost_s = cls.measure_galaxy()
        cls.reference("short", max(24, int(SHORT_S / cost_s)), ranks=3)
        cls.cluster = Cluster(cls.dir / "slurm")
        cls.cluster.start()
        cls.addClassCleanup(cls.cluster.stop)
        cls.make_catalogue("limited", max(24, int(LIMITED_S / cost_s)))
        cls.limited = cls.submit("limited", "--time=1", SIGNAL, nodes=["n1"], catalogue="limited")

    # ---- inputs and what is expected -----------------------------------------------------------

    @classmethod
    def make_catalogue(cls, name, n_galaxy):
        """Equal galaxies of other particles."""
        cls.call("demo-catalogue", "-g", n_galaxy, "-n", 3000, "-o", f"{name}-galaxies.hdf5")

    @classmethod
    def measure_galaxy(cls):
        """Seconds of computing for each; inputs are made so large that jobs take the time they are to take."""
        cls.make_catalogue("probe", 8)
        cls.call("run", cls.write_job("probe-run", JOB, catalogue="probe-galaxies.hdf5"))
        return json.loads(cls.call("status", "--json", "probe-run.hdf5"))["computing_s"] / 8

    @classmethod
    def reference(cls, name, n_galaxy=None, ranks=None):
        """Bytes of an uninterrupted run on a catalogue."""
        if n_galaxy:
            cls.make_catalogue(name, n_galaxy)
        cls.call("run", cls.write_job(f"{name}-reference", JOB, catalogue=f"{name}-galaxies.hdf5", threads=1), ranks=ranks)
        return runner.read_bytes(cls.dir / f"{name}-reference.hdf5")

    def expect_reference(self, name, reference="short"):
        """Complete, as its checksums say, and the same bits as the uninterrupted run."""
        self.call("verify", f"{name}.hdf5")
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"),
                         runner.read_bytes(self.dir / f"{reference}-reference.hdf5"), name)

    # ---- jobs ----------------------------------------------------------------------------------

    @classmethod
    def submit(cls, name, *options, script="production", nodes=("n2", "n3"), catalogue="short", arguments=(), **site):
        """A job for <name>.yaml, written now unless it is there; its number."""
        path = cls.dir / f"{name}.yaml"
        if script != "smoke":
            if not path.exists():
                # Jobs run in the repository.
                cls.write_job(name, JOB, catalogue=cls.dir / f"{catalogue}-galaxies.hdf5", grid=cls.dir / "grid.hdf5",
                              output=cls.dir / f"{name}.hdf5")
            arguments = (path, *arguments)
        site = {"POLYPHONY": cls.program, "SCRATCH": cls.dir, "RETRY_PAUSES_S": "1 1 1"} | site
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

    def wait_for_middle(self, name, job):
        """Until some of its galaxies are done, and not all."""
        path = self.dir / f"{name}.status.json"
        begin = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

        def find_state():
            if self.cluster.show(job)["JobState"] in ENDED:
                self.fail(f"job {job} ended before it was hit\n{self.read_log(job)}")
            try:
                state = json.loads(path.read_text(encoding="utf-8"))
            except OSError:
                return None
            is_new = state["started_utc"] != begin.get("started_utc")
            return state if is_new and state["state"] == "running" and state["n_done_now"] >= 4 else None
        state = wait_until(find_state, LONGEST_S, lambda: f"job {job} in its middle\n{self.read_log(job)}")
        self.assertGreater(state["n_left"], 8, "too late: make SHORT_S larger")

    # ---- tests ---------------------------------------------------------------------------------

    def test_smoke(self):
        """Unchanged."""
        log = self.wait_for_end(self.submit("smoke", script="smoke"))
        self.assertIn("All is well", log)
        self.assertIn("2 nodes, 1 cores each: 1 dealing rank, 1 computing ranks a node, 1 threads each", log)

    def test_a_job_at_its_time_limit_requeues_itself_and_finishes(self):
        """The job that was submitted first; it does the same as an uninterrupted run."""
        reference = subprocess.Popen([self.program, "run", self.write_job("limited-reference", JOB, threads=1,
                                                                          catalogue="limited-galaxies.hdf5")],
                                     cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shown = self.cluster.wait_for(self.limited, ENDED, LONGEST_S)
        log = self.read_log(self.limited)
        self.assertEqual((shown["JobState"], shown["ExitCode"]), ("COMPLETED", "0:0"), log)
        self.assertGreaterEqual(int(shown["Restarts"]), 1, log)
        self.assertIn("The time limit is near", log)
        self.assertIn("back to the queue", log)
        self.assertIn("Started again by SLURM (1)", log)
        self.assertEqual(reference.wait(LONGEST_S), 0)
        self.expect_reference("limited", "limited")

    def test_a_dead_node_requeues_the_job(self):
        """A power cut of the node that does not deal; the job waits until there are two nodes again."""
        job = self.submit("cut", RETRY_PAUSES_S="5 60 60")
        self.wait_for_middle("cut", job)
        self.cluster.power_cut("n3")
        # SLURM takes ten seconds to notice (SlurmdTimeout).
        wait_until(lambda: self.cluster.show(job)["Restarts"] == "1", LONGEST_S, "the job is not requeued")
        self.cluster.power_on("n3")
        log = self.wait_for_end(job, restarts=1)
        self.assertIn("Started again by SLURM (1)", log)
        self.expect_reference("cut")

    def test_a_dead_slurmd_disturbs_nobody(self):
        """Ranks on its node go on."""
        job = self.submit("slurmd")
        self.wait_for_middle("slurmd", job)
        self.cluster.kill_slurmd("n3")
        log = self.wait_for_end(job)
        self.assertNotIn("again in", log)
        self.cluster.start_slurmd("n3")
        wait_until(lambda: self.cluster.count_idle() >= 2, LONGEST_S, "n3 does not come back")
        self.expect_reference("slurmd")

    def test_a_killed_rank_starts_the_run_again(self):
        """In the same job, by either launcher."""
        job = self.submit("killed", LAUNCHER="mpirun")
        self.wait_for_middle("killed", job)
        os.kill(self.cluster.nodes["n3"].list_processes(f"^{self.program} run")[0], signal.SIGKILL)
        wait_until(lambda: "again in 1 s" in self.read_log(job), LONGEST_S, "the run is not started again")
        log = self.wait_for_end(job)
        self.assertIn("continuing", log)
        self.expect_reference("killed")

    def test_a_stopped_or_cancelled_job_stays_away(self):
        """Stop file, then scancel, then to the end: three jobs."""
        job = self.submit("stopped")
        self.wait_for_middle("stopped", job)
        (self.dir / "stopped.hdf5.stop").touch()
        log = self.wait_for_end(job, "FAILED", 4)
        self.assertIn("Stopped early: stop file; not requeued", log)

        job = self.submit("stopped")
        self.wait_for_middle("stopped", job)
        self.cluster.call("scancel", job)
        self.wait_for_end(job, "CANCELLED")
        log = self.wait_for_end(self.submit("stopped"))
        self.assertIn("continuing", log)
        self.expect_reference("stopped")

    def test_a_job_without_progress_gives_up(self):
        """One galaxy, longer than there is time."""
        self.call("demo-catalogue", "-g", 1, "-n", 2000000, "-o", "huge-galaxies.hdf5")
        job = self.submit("huge", "--time=2", catalogue="huge", REQUEUE_MARGIN_S=115)
        wait_until(lambda: "1 galaxies to do" in self.read_log(job), LONGEST_S, lambda: self.read_log(job))
        time.sleep(1)  # it is dealt
        self.cluster.call("scancel", "--signal=USR1", "--batch", job)
        log = self.wait_for_end(job, "FAILED", 4)
        self.assertIn("No galaxy was finished within the time limit; not requeued", log)

    def test_a_large_catalogue_is_checked_first(self):
        """Predictions in the log, and no ranks for a job file that is wrong."""
        log = self.wait_for_end(self.submit("large", script="catalogue", catalogue="probe"))
        # What check says of the grid, what simulate says of four times as many workers, then the run.
        self.assertRegex(log, re.compile("^grid .*^ +8 +dynamic .*galaxies to do", re.MULTILINE | re.DOTALL))
        (self.dir / "wrong.yaml").write_text("catalogue: missing.hdf5\n", encoding="utf-8")
        log = self.wait_for_end(self.submit("wrong", script="catalogue"), "FAILED", 2)
        self.assertNotIn("galaxies to do", log)

    @unittest.skipUnless(IS_LONG, "--long")
    def test_a_run_survives_the_loss_of_a_node(self):
        """SURVIVE=yes and sbatch --no-kill."""
        job = self.submit("survived", "--no-kill", LAUNCHER="mpirun", SURVIVE="yes")
        self.wait_for_middle("survived", job)
        self.cluster.power_cut("n3")
        log = self.wait_for_end(job)
        self.assertNotIn("again in", log)
        self.cluster.power_on("n3")
        self.expect_reference("survived")
        wait_until(lambda: self.cluster.count_idle() >= 2, LONGEST_S, "n3 does not come back")

    @unittest.skipUnless(IS_LONG, "--long")
    def test_the_loss_of_the_dealing_node_is_continued(self):
        """With the batch script; SLURM itself requeues."""
        job = self.submit("dealer")
        self.wait_for_middle("dealer", job)
        self.cluster.power_cut("n2")
        wait_until(lambda: self.cluster.show(job)["Restarts"] == "1", LONGEST_S, "the job is not requeued")
        self.cluster.power_on("n2")
        self.wait_for_end(job, restarts=1)
        self.expect_reference("dealer")


if __name__ == "__main__":
    enter_sandbox(PROGRAMS, PACKAGES)
    if IS_LONG:
        sys.argv.remove("--long")
    runner.main()
