#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not happen unseen: rows of two jobs in one file, numbers that are none, two runs on one output."""

import fcntl
import os
import re
import subprocess
import sys

import h5py
import numpy as np

import runner
from small import ASIDE, INPUT, OUTPUT, USAGE, SmallTest

ALL = ("operations:\n", "operations:\n  los_optical_depths: {write_particles: yes}\n")


class GuardTest(SmallTest):
    """One promise a test."""

    def test_a_defaulted_slope_is_not_the_same_as_a_given_one(self):
        curve = ("  fesc: fesc\n", "  fesc: fesc\n  dust_curve: calzetti2000\n")
        self.call("run", self.job("curve", curve, output="curve.hdf5"))
        other = self.job("slope", (curve[0], curve[1] + "  dust_slope: -1.0\n"), output="curve.hdf5")
        self.expect(USAGE, other, "emission.dust_slope", "'curve.hdf5'", command="run")
        self.expect(USAGE, self.job("plain", output="curve.hdf5"), "emission.dust_curve", command="run")

    def test_an_operation_cannot_be_removed_from_a_file(self):
        self.call("run", self.job("more", output="more.hdf5"))
        self.expect(USAGE, self.job("less", ("  sfzh: {}\n", ""), output="more.hdf5"), "operations.sfzh", command="run")
        self.expect(USAGE, "less.yaml", "operations.sfzh", command="run", ranks=3)
        self.expect(USAGE, "less.yaml", "operations.sfzh")

    def test_a_bad_redshift_costs_one_galaxy_and_can_be_retried(self):
        def change(file):
            file["Galaxies/redshift"][1] = np.nan
        name = self.spoil("catalogue.hdf5", "far.hdf5", change)
        job = self.job("far_job", ("catalogue.hdf5", name), ALL)
        for ranks in (None, 3):
            output = self.call("run", "--overwrite", job, ranks=ranks, expected=ASIDE)
            self.assertIn("'Galaxies/redshift' row 1 is nan", output)
        with h5py.File(self.dir / "far_job.hdf5") as file:
            self.assertEqual(list(file["Run/Ledger"]["status"]), [1, 2, 1])
            tau = file["Galaxies/Stars/OpticalDepths/Particles"][()].reshape(3, 20)
            self.assertTrue(np.isnan(tau[1]).all() and np.isfinite(tau[[0, 2]]).all())
        self.assertIn("0 galaxies to do", self.call("run", job, expected=ASIDE).replace(
            "continuing 'far_job.hdf5': 3 galaxies were finished, 0 are left", "0 galaxies to do"))
        self.assertIn("1 are left", self.call("run", "--retry-failed", job, expected=ASIDE))

        def spoil_all(file):
            file["Galaxies/redshift"][:] = -1
        name = self.spoil("catalogue.hdf5", "near.hdf5", spoil_all)
        self.expect(INPUT, self.job("near_job", ("catalogue.hdf5", name)), "no galaxy", "Galaxies/redshift")

    def test_numbers_that_overflow_are_not_results(self):
        def change(file):
            file["Stars/initial_masses"][25] = 1e300
        name = self.spoil("catalogue.hdf5", "heavy.hdf5", change)
        output = self.call("run", self.job("heavy_job", ("catalogue.hdf5", name)), expected=ASIDE)
        self.assertIn("set aside (Writing): galaxy 1: 'Galaxies/Stars/", output)
        with h5py.File(self.dir / "heavy_job.hdf5") as file:
            self.assertEqual(list(file["Run/Ledger"]["status"]), [1, 2, 1])

    def test_limits_are_limits(self):
        self.expect(USAGE, self.job("threads", ("threads: 1", "threads: 100000")), "threads.yaml:4: threads", "4096")
        self.expect(USAGE, self.job("batch", ("progress: no", "schedule: {max_batch_galaxies: 5000}")), "4096")

    def test_check_looks_at_the_output(self):
        self.expect(OUTPUT, self.job("nowhere_2", output="nowhere/r.hdf5"), "'nowhere/r.hdf5'", "No such file")
        (self.dir / "text.txt").write_text("mine", encoding="utf-8")
        self.expect(INPUT, self.job("text", output="text.txt"), "'text.txt'")
        self.assertIn("'run' continues it", self.call("check", "untouched.yaml"))

    def test_two_runs_do_not_share_an_output(self):
        job = self.job("shared", output="shared.hdf5")
        lock = os.open(self.dir / "shared.hdf5.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for ranks in (None, 3):
            self.expect(OUTPUT, job, "'shared.hdf5'", "another run", command="run", ranks=ranks)
        os.close(lock)
        self.call("run", job)
        self.assertFalse((self.dir / "shared.hdf5.lock").exists())

    def test_the_jobs_of_the_repository_run_and_their_galaxies_are_drawn(self):
        for path in sorted((runner.ROOT / "jobs").glob("*.yaml")):
            text = re.sub(r"(?m)^catalogue: .*$", "catalogue: catalogue.hdf5", path.read_text(encoding="utf-8"))
            text = re.sub(r"(?m)^grid: .*$", "grid: grid.hdf5", text)
            text = re.sub(r"(?m)^output: .*$", f"output: {path.stem}.hdf5", text)
            (self.dir / path.name).write_text(text, encoding="utf-8")
            self.call("check", path.name)
            self.assertIn("3 galaxies done", self.call("run", path.name, ranks=2))
        plot = [sys.executable, runner.ROOT / "scripts/plot_galaxy.py", "demo.hdf5", "--out", "drawn"]
        subprocess.run(plot, cwd=self.dir, check=True, timeout=120, stdout=subprocess.DEVNULL)
        for name in ("spectra.png", "images.png"):
            self.assertGreater((self.dir / "drawn" / name).stat().st_size, 10000)


if __name__ == "__main__":
    runner.main()
