#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to the program from outside, a file each (tests/toys/*.c), does all that the program's own does: check,
run on several ranks, a kill and a resume, verify; and its numbers are those of numpy."""

import signal
import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import runner  # pylint: disable=wrong-import-position
from interrupting import InterruptTest, kill_rank  # pylint: disable=wrong-import-position

V_ANGSTROM = 5500
JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: {threads}
emission: {{{emission}, method: {method}, dust_curve: toy, dust_slope: -1.5}}
instruments:
  - {{label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}}
operations: {{{operations}}}
schedule: {{mode: {mode}, max_batch_galaxies: {max_batch}}}
progress: no
"""
SCREENS = "model: toy_screens, tau_v: depth, toy_tau: cloud"
ALL = ("spectra: {}, observed_spectra: {}, photometry_luminosities: {}, photometry_fluxes: {}, lines: {}, "
       "images_luminosity: {labels: [all], fov_arcsec: 2}")


def li08_smc(lambda_angstrom):
    """Li et al. 2008, eq. 1."""
    c1, c2, c3, x = 38.7, 3.83, 6.34, lambda_angstrom / 1e4
    optical = 233 * (1 - c1 / (6.88**c2 + 0.145**c2 + c3)) / ((x / 0.046)**2 + (x / 0.046)**-2 + 90)
    return c1 / ((x / 0.08)**c2 + (x / 0.08)**-c2 + c3) + optical


def toy_curve(lambda_angstrom):
    """As dust_curve.c, with the job's slope."""
    return (np.minimum(lambda_angstrom, 1e4) / V_ANGSTROM)**-1.5


class ToysTest(InterruptTest):
    """A catalogue whose stars have depths and fractions of their own."""

    job_text = JOB.replace("{emission}", SCREENS).replace("{operations}", ALL.replace("{", "{{").replace("}", "}}"))

    @classmethod
    def make_catalogue(cls):
        """With parameters of the toys; and all that numpy needs."""
        super().make_catalogue()
        random = np.random.default_rng(3)
        with h5py.File(cls.dir / "catalogue.hdf5", "r+") as file:
            n_star = len(file["Stars/ages"])
            for name, most in (("depth", 3), ("cloud", 8), ("cover", 1)):
                file[f"Stars/{name}"] = random.uniform(0, most, n_star)
                file[f"Stars/{name}"].attrs["Units"] = "dimensionless"
            cls.stars = {name: file[f"Stars/{name}"][()] for name in
                         ("ages", "metallicities", "initial_masses", "depth", "cloud", "cover")}
            cls.galaxy = np.repeat(np.arange(len(file["Stars/length"])), file["Stars/length"][()])
        with h5py.File(cls.dir / "grid.hdf5") as file:
            cls.axes = [np.log10(file["axes/ages"][()]), np.log10(file["axes/metallicities"][()])]
            cls.spectra = {name: file[f"spectra/{name}"][()] for name in ("incident", "nebular", "linecont")}
            cls.lambda_angstrom = file["spectra/wavelength"][()]

    def star_spectra(self, name):
        """A spectrum for each star: shares of the four grid points around it."""
        table, at, low = self.spectra[name], [], []
        for axis, value in zip(self.axes, (self.stars["ages"], np.maximum(self.stars["metallicities"], 1e-5))):
            value = np.clip(np.log10(value), axis[0], axis[-1])
            i = np.clip(np.searchsorted(axis, value, side="right") - 1, 0, len(axis) - 2)
            low.append(i)
            at.append((value - axis[i]) / (axis[i + 1] - axis[i]))
        total = 0
        for a in (0, 1):
            for z in (0, 1):
                share = (at[0] if a else 1 - at[0]) * (at[1] if z else 1 - at[1]) * self.stars["initial_masses"]
                total = total + share[:, None] * table[low[0] + a, low[1] + z]
        return total

    def sum_stars(self, values):
        """By galaxy."""
        total = np.zeros((self.galaxy[-1] + 1, values.shape[1]))
        np.add.at(total, self.galaxy, values)
        return total

    def run_job(self, name, emission, operations="spectra: {}", **options):
        """Check and run a job on 3 ranks, verify its results: all of their datasets of galaxies."""
        self.write_job(name, JOB, emission=emission, operations=operations, **options)
        self.call("check", f"{name}.yaml")
        self.call("run", f"{name}.yaml", ranks=3)
        self.call("verify", f"{name}.hdf5")
        found = {}
        with h5py.File(self.dir / f"{name}.hdf5") as file:
            file["Galaxies"].visititems(
                lambda path, item: found.update({path: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return found

    def expect_close(self, got, expected, tolerance=1e-9):
        """Relative to the largest value of a row."""
        scale = np.abs(expected).max(axis=tuple(range(1, expected.ndim)), keepdims=True)
        self.assertGreater(scale.min(), 0)
        self.assertLessEqual(np.max(np.abs(got - expected) / scale), tolerance)

    def find(self, values, end):
        """The one dataset whose path ends so."""
        paths = [path for path in values if path.endswith(end)]
        self.assertEqual(len(paths), 1, f"{end} in {sorted(values)}")
        return values[paths[0]]

    # ---- the tables ----------------------------------------------------------------------------------

    def test_toys_are_in_the_lists(self):
        """`init` has them among its choices and keys, messages among what is known."""
        template = self.call("init")
        for text in ("| toy_screens", "li08_lmc | toy", "toy_cover: 0.25 part covered"):
            self.assertIn(text, " ".join(template.replace("#", "").split()))
        self.write_job("unknown", JOB, emission="model: toy_screen", operations="spectra: {}")
        self.assertIn("did you mean 'toy_screens'", self.call("check", "unknown.yaml", expected=2))
        self.write_job("bound", JOB, emission="model: toy_transform, toy_cover: 1.5", operations="spectra: {}")
        self.assertIn("emission.toy_cover: 1.5 is too large", self.call("check", "bound.yaml", expected=2))

    def test_a_transform(self):
        """A number for all, and one for each star; by both methods."""
        light = self.star_spectra("incident")
        for name, cover, factor in (("number", 0.5, 0.75), ("stars", "cover", 1 - self.stars["cover"][:, None]**2)):
            for method in ("fast", "direct"):
                values = self.run_job(f"{name}-{method}", f"model: toy_transform, toy_cover: {cover}", method=method)
                self.expect_close(self.find(values, "/uncovered"), self.sum_stars(light * factor))

    def test_a_dust_curve(self):
        """Behind one screen for a galaxy."""
        values = self.run_job("curve", "model: emergent, tau_v: 0.7")
        expected = self.find(values, "/reprocessed") * np.exp(-0.7 * toy_curve(self.lambda_angstrom))
        self.expect_close(self.find(values, "/attenuated"), expected)

    def test_screens_of_their_own(self):
        """Two parameters and two curves in one model, a screen behind another of its curve; by both methods."""
        stars, tau, cloud = self.star_spectra("incident"), self.stars["depth"][:, None], self.stars["cloud"][:, None]
        nebula = self.star_spectra("nebular") - self.star_spectra("linecont")
        k = toy_curve(self.lambda_angstrom)
        expected = {"stars": stars * np.exp(-tau * k), "behind_both": stars * np.exp(-(tau + cloud) * k),
                    "nebula": nebula * np.exp(-cloud * li08_smc(self.lambda_angstrom))}
        expected["seen"] = sum(expected.values())
        for method in ("fast", "direct"):
            values = self.run_job(f"screens-{method}", SCREENS, method=method)
            for label, light in expected.items():
                self.expect_close(self.find(values, f"/{label}"), self.sum_stars(light), 3e-9)

    def test_masks(self):
        """Of extractions, of a screen before some stars, on a parameter; by both methods, spectra and bands."""
        light, tau, bands = self.star_spectra("incident"), self.stars["depth"][:, None], "photometry_luminosities: {}"
        young, rich = np.log10(self.stars["ages"]) < 9.3, self.stars["metallicities"] >= 0.01
        self.assertTrue(0 < np.count_nonzero(young & rich) < np.count_nonzero(young) < len(young))
        expected = {"all": light, "young": light * young[:, None], "old": light * ~young[:, None],
                    "covered": light * ((self.stars["cover"] > 0.5) & rich)[:, None],
                    "dimmed": light * np.where((young & rich)[:, None],
                                               np.exp(-tau * toy_curve(self.lambda_angstrom)), 1)}
        emission = "model: toy_masks, tau_v: depth, toy_cover: cover"
        for method in ("fast", "direct"):
            values = self.run_job(f"masks-{method}", emission, method=method)
            for label, value in expected.items():
                self.expect_close(self.find(values, f"/{label}"), self.sum_stars(value))
        tables = self.run_job("masks-bands", emission, bands)
        direct = self.run_job("masks-bands-direct", emission, bands, method="direct")
        for path, values in tables.items():
            if values.dtype == float:
                np.testing.assert_allclose(values, direct[path], rtol=3e-9, atol=1e-9 if path.startswith("Census/") else 0)

    def test_tables_of_bands(self):
        """Photometry and images without spectra are those of the direct method."""
        bands = "photometry_luminosities: {}, photometry_fluxes: {}, images_luminosity: {labels: [seen], fov_arcsec: 2}"
        tables = self.run_job("tables", SCREENS, bands)
        direct = self.run_job("direct", SCREENS, bands, method="direct")
        for path, values in tables.items():
            if path.startswith("Census/"):  # shares, most of them 0
                np.testing.assert_allclose(values, direct[path], rtol=1e-9, atol=1e-9)
            elif values.dtype == float:
                self.expect_close(values, direct[path])

    def test_a_kill_and_a_resume(self):
        """The bits are those of a run that nobody disturbed."""
        code, output = self.interrupt("killed", lambda process: kill_rank(process, 1, signal.SIGKILL))
        self.assertNotEqual(code, 0, output)
        self.expect_complete("killed")
        self.call("verify", "killed.hdf5")


if __name__ == "__main__":
    runner.main()
