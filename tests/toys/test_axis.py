#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The price of an axis of the grid: nothing but data. A grid with one more axis, and a catalogue with that field for each
star, go through check, run, a kill, its continuation and verify, to the numbers of a plain interpolation."""

import itertools
import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import interrupting
import runner


def shares(nodes, x):
    """(node, share) twice for each star, in the coordinate that is interpolated."""
    x = np.clip(x, nodes[0], nodes[-1])
    lower = np.clip(np.searchsorted(nodes, x, "right") - 1, 0, len(nodes) - 2)
    upper = (x - nodes[lower]) / (nodes[lower + 1] - nodes[lower])
    return (lower, 1 - upper), (lower + 1, upper)


class AxisTest(interrupting.InterruptTest):
    """All stars have a `toy` of their own, by which each table of the grid is multiplied in a way that is not linear."""

    job_text = interrupting.JOB.replace("labels: [intrinsic, emergent]", "labels: [incident, emergent]")

    @classmethod
    def make_grid(cls):
        super().make_grid()
        with h5py.File(cls.dir / "grid.hdf5", "r+") as file:
            file.attrs["axes"] = ["ages", "toy", "metallicities"]
            axis = file.create_dataset("axes/toy", data=[1e-4, 1e-3, 1e-1])
            axis.attrs["Units"], axis.attrs["log_on_read"] = "dimensionless", True
            for path in [f"{group}/{name}" for group in ("spectra", "lines") for name in file[group]]:
                if file[path].ndim == 3:
                    units = file[path].attrs["Units"]
                    values = np.stack([file[path][()], 3 * file[path][()], 0.5 * file[path][()]], axis=1)
                    del file[path]
                    file.create_dataset(path, data=values).attrs["Units"] = units

    @classmethod
    def make_catalogue(cls):
        super().make_catalogue()
        (cls.dir / "without.hdf5").write_bytes((cls.dir / "catalogue.hdf5").read_bytes())
        with h5py.File(cls.dir / "catalogue.hdf5", "r+") as file:
            file["Stars/toy"] = 10 ** np.random.default_rng(3).uniform(-4.5, -0.5, len(file["Stars/ages"]))

    def expect_incident(self, name, toy=None):
        """The incident spectra of results are those of loops over stars and corners."""
        with h5py.File(self.dir / "catalogue.hdf5") as file, h5py.File(self.dir / "grid.hdf5") as grid:
            stars = {key: file[f"Stars/{key}"][()] for key in ("ages", "toy", "metallicities", "initial_masses", "length")}
            if toy is not None:
                stars["toy"] = np.full_like(stars["toy"], toy)
            axes = [shares(np.log10(grid[f"axes/{key}"]), np.log10(stars[key])) for key in ("ages", "toy", "metallicities")]
            spectra = 0
            for age, own, metallicity in itertools.product(*axes):
                weight = age[1] * own[1] * metallicity[1] * stars["initial_masses"]
                spectra += weight[:, None] * grid["spectra/incident"][()][age[0], own[0], metallicity[0]]
        begins = np.cumsum(stars["length"]) - stars["length"]
        with h5py.File(self.dir / f"{name}.hdf5") as file:
            got = file["Galaxies/Stars/Spectra/SpectralLuminosityDensities/incident"][()]
        np.testing.assert_allclose(got, np.add.reduceat(spectra, begins), rtol=1e-12)

    def test_each_star_has_its_own(self):
        self.expect_incident("reference")
        path = self.write_job("fast", self.job_text)
        self.assertIn("8 ages x 5 metallicities x 3 toy x", self.call("check", path))
        self.call("run", path, ranks=3)
        self.expect_incident("fast")
        with h5py.File(self.dir / "fast.hdf5") as fast, h5py.File(self.dir / "reference.hdf5") as direct:
            for name in runner.read_bytes(self.dir / "fast.hdf5"):
                if name.startswith("Galaxies/"):
                    np.testing.assert_allclose(fast[name][()], direct[name][()], rtol=1e-8, err_msg=name)
        self.call("verify", "fast.hdf5")

    def test_a_run_is_killed_and_continued(self):
        self.interrupt("killed", interrupting.kill_all, goes_on=False)
        self.expect_complete("killed")
        self.call("verify", "killed.hdf5")

    def test_the_job_fixes_it(self):
        def fixed(name, toy):
            grid = f"{{file: grid.hdf5, fix: {{toy: {toy}}}}}"
            return self.write_job(name, self.job_text, catalogue="without.hdf5", grid=grid)
        for name, toy in ("node", 1e-3), ("between", 0.02):
            job = fixed(name, toy)
            self.assertIn(f"fixed: toy {toy}", self.call("check", job))
            self.call("run", job, ranks=3)
            self.expect_incident(name, toy)
        self.assertIn("grid.fix.toy", self.call("run", fixed("between", 0.03), expected=2))
        self.call("check", self.write_job("neither", self.job_text, catalogue="without.hdf5"), expected=3)


if __name__ == "__main__":
    runner.main()
