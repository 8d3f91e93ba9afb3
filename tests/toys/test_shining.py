#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A toy component that shines (shining_black_holes.c): black holes that are copies of the stars have the stars' light, in
whole galaxies and in tiles, on any ranks, and after a kill."""

import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import runner  # pylint: disable=wrong-import-position
from interrupting import InterruptTest, kill_all  # pylint: disable=wrong-import-position

COPIES = {"initial_masses": "masses"}
N_LARGE = 70000  # stars: more than the smallest tile has


class ShiningTest(InterruptTest):
    """All operations, for stars and black holes."""

    job_text = runner.JOB
    other = None  # the program in which black holes come first

    @classmethod
    def make_catalogue(cls):
        super().make_catalogue()
        cls.call("demo-catalogue", "-g", 1, "-n", N_LARGE, "-o", "large.hdf5")
        for name in ("catalogue", "large"):
            with h5py.File(cls.dir / f"{name}.hdf5", "a") as file:
                del file["BlackHoles"]
                for dataset in file["Stars"]:
                    file.copy(f"Stars/{dataset}", f"BlackHoles/{COPIES.get(dataset, dataset)}")

    def expect_stars_light(self, name):
        """Whatever stars have in a results file black holes have, to the bit."""
        n_compared = 0
        with h5py.File(self.dir / f"{name}.hdf5", "r") as file:
            def compare(path, item):
                nonlocal n_compared
                if isinstance(item, h5py.Dataset) and path in holes:
                    np.testing.assert_array_equal(item[()], holes[path][()], path)
                    n_compared += "Optical" not in path and float(np.abs(item[()]).max()) > 0
            holes = file["Galaxies/BlackHoles"]
            file["Galaxies/Stars"].visititems(compare)
            for group in ("Spectra", "Photometry", "Lines", "Images"):
                self.assertIn(group, holes)
        self.assertGreater(n_compared, 100)

    def test_check_and_run(self):
        """`check` takes the job; the stars' values are those of the program without black holes that shine."""
        self.assertIn("galaxies", self.call("check", "reference.yaml"))
        self.expect_stars_light("reference")
        self.call("run", self.write_job("fast", self.job_text), ranks=3)
        self.expect_stars_light("fast")
        self.call("verify", "fast.hdf5")

    def test_a_kill_and_a_resume(self):
        """Everything is killed at half of the rows; the same command goes on."""
        self.interrupt("killed", kill_all)
        self.expect_complete("killed")
        self.call("verify", "killed.hdf5")

    def test_tiles_of_either_component(self):
        """A galaxy in tiles of its stars, or of its black holes, has the bits of the whole."""
        found = {}
        for program, options in ((self.program, ""), (self.program, "memory_mb: {}\n"), (self.other, "memory_mb: {}\n")):
            name = f"tiles-{len(found)}"
            type(self).program, before = program, self.program
            text = runner.JOB.replace("reference", "large") + options
            job = self.write_job(name, text.replace("memory_mb: {}", "memory_mb: 1"), catalogue="large.hdf5")
            if options:
                least = self.call("run", job, expected=1).split("memory_mb: ")[-1].split()[0]
                job = self.write_job(name, text.replace("memory_mb: {}", f"memory_mb: {least}"), catalogue="large.hdf5")
                (self.dir / f"{name}.hdf5").unlink()
            self.call("run", job)
            type(self).program = before
            self.expect_stars_light(name)
            found[name] = runner.read_bytes(self.dir / f"{name}.hdf5")
            found[name].pop("checksum in Run/Ledger")
        self.expect_same(found["tiles-1"], found["tiles-0"], "in tiles of stars")
        self.expect_same(found["tiles-2"], found["tiles-0"], "in tiles of black holes")


if __name__ == "__main__":
    ShiningTest.other = Path(sys.argv.pop(2)).resolve()
    runner.main()
