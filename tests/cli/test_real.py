#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All operations on galaxies of real simulations, with a published grid and real filter curves.

They are no part of the repository: $POLYPHONY_SHARED, or ../shared beside it. Without them: exit code 77.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

import runner

SHARED = Path(os.environ.get("POLYPHONY_SHARED", runner.ROOT.parent / "shared")).resolve()
GRID = SHARED / "data/grids/bc03_byler17-ref_reduced.hdf5"
CURVES = SHARED / "data/filters/JWST_NIRCam"
FILTERS = ("F070W", "F090W", "F115W", "F150W", "F200W", "F277W", "F356W", "F444W")
SKIPPED = 77

# (catalogue, width of the image, its pixels [arcsec], light an image may lose or gain). All stars are inside:
# 6.3 kpc an arcsec at redshift 0.5. Kernels are sampled and not renormalised, as Synthesizer has it: that
# costs less than 0.1 % for the 5 pixels of a smoothing length of CAMELS, more for the 1.6 pixels of Illustris.
CASES = (("camels_tng_10gal", 18.0, 0.1, 1e-3), ("illustris1_4gal", 54.0, 0.2, 5e-3))

JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: 2
redshift: 0.5
igm: inoue14
emission: {{model: pacman, tau_v: los, fesc: 0.1}}
instruments:
  - label: NIRCam
    resolution_arcsec: {pixel_arcsec}
    filters:
{filters}
""" + runner.JOB[runner.JOB.index("operations:"):].replace("fov_arcsec: 2", "fov_arcsec: {fov_arcsec}")


class RealTest(runner.ProgramTest):
    """Each catalogue is run once, on three ranks."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        filters = "\n".join(
            f"      - {{code: JWST/NIRCam.{name}, file: {json.dumps(str(CURVES / f'NIRCam.{name}.txt'))}}}"
            for name in FILTERS)
        for name, fov_arcsec, pixel_arcsec, _ in CASES:
            catalogue = SHARED / f"data/catalogues/{name}.hdf5"
            job = cls.write_job(name, JOB, catalogue=json.dumps(str(catalogue)), grid=json.dumps(str(GRID)),
                                filters=filters, fov_arcsec=fov_arcsec, pixel_arcsec=pixel_arcsec)
            cls.call("run", job, ranks=3)

    def each_result(self):
        """Name and open results file of each case."""
        for name, *_ in CASES:
            with h5py.File(self.dir / f"{name}.hdf5") as file:
                yield name, file

    def test_every_galaxy_is_done(self):
        """None set aside, with the ids of the catalogue."""
        for name, file in self.each_result():
            with h5py.File(SHARED / f"data/catalogues/{name}.hdf5") as catalogue:
                self.assertTrue(np.all(file["Run/Ledger"]["status"] == 1))
                np.testing.assert_array_equal(file["Galaxies/ID"], catalogue["Galaxies/id"])
                np.testing.assert_array_equal(file["Galaxies/NStars"], catalogue["Stars/length"])

    def test_all_values_are_finite_and_none_is_negative(self):
        """Spectra, photometry, lines, images, histories and optical depths."""
        for name, file in self.each_result():
            found = []
            file["Galaxies"].visititems(
                lambda path, item, into=found: into.append(path) if isinstance(item, h5py.Dataset) else None)
            self.assertGreater(len(found), 100)
            for path in found:
                data = file["Galaxies"][path][()]
                self.assertTrue(np.all(np.isfinite(data)), f"{name}: {path} is not finite")
                self.assertGreaterEqual(np.min(data, initial=0.0), 0.0, f"{name}: {path}")

    def test_histories_hold_the_mass_of_the_catalogue(self):
        """Sums over ages (and metallicities) against initial masses."""
        for name, file in self.each_result():
            with h5py.File(SHARED / f"data/catalogues/{name}.hdf5") as catalogue:
                masses = catalogue["Stars/initial_masses"][()].astype(float)
                ends = np.cumsum(catalogue["Stars/length"][()])
            expected = [part.sum() for part in np.split(masses, ends[:-1])]
            # Up to 15000 terms in another order.
            np.testing.assert_allclose(file["Galaxies/Stars/SFH"][()].sum(axis=1), expected, rtol=1e-11)
            np.testing.assert_allclose(file["Galaxies/Stars/SFZH"][()].sum(axis=(1, 2)), expected, rtol=1e-11)

    def test_images_hold_the_light_of_photometry(self):
        """The field takes in all stars."""
        tolerance = {name: loss for name, _, _, loss in CASES}
        for name, file in self.each_result():
            stars = file["Galaxies/Stars"]
            for frame, photometry in (("Luminosity", "Luminosities"), ("Flux", "Fluxes")):
                for label in ("intrinsic", "emergent"):
                    for band in FILTERS:
                        path = f"{label}/JWST/NIRCam.{band}"
                        image = stars[f"Images/{frame}/NIRCam/{path}"][()].sum(axis=(1, 2))
                        ratio = image / stars[f"Photometry/{photometry}/{path}"][()]
                        self.assertTrue(np.all(np.abs(ratio - 1.0) < tolerance[name]),
                                        f"{name} {frame} {path}: {ratio}")

    def test_dust_dims_and_reddens(self):
        """Emergent light is less than intrinsic, more so in the blue, wherever there is dust in front."""
        for name, file in self.each_result():
            fluxes = file["Galaxies/Stars/Photometry/Luminosities"]
            left = {band: (fluxes[f"emergent/JWST/NIRCam.{band}"][()]
                           / fluxes[f"intrinsic/JWST/NIRCam.{band}"][()]) for band in ("F070W", "F200W")}
            dusty = file["Galaxies/Stars/OpticalDepths/MassWeightedMean"][()] > 0
            np.testing.assert_array_equal(dusty, file["Galaxies/NGas"][()] > 0)
            self.assertTrue(np.any(dusty), f"{name}: no dust")
            self.assertTrue(np.all(left["F070W"][dusty] < left["F200W"][dusty]), f"{name}: {left}")
            # 1e-12: what attenuation is expanded to.
            self.assertTrue(np.all(left["F200W"] <= 1.0 + 1e-12), f"{name}: {left}")

    def test_two_pictures_are_drawn(self):
        """scripts/plot_galaxy.py; $POLYPHONY_KEEP_PICTURES keeps them to be looked at."""
        for name, _ in self.each_result():
            out = Path(os.environ.get("POLYPHONY_KEEP_PICTURES", self.dir)) / name
            done = subprocess.run(
                [sys.executable, runner.ROOT / "scripts/plot_galaxy.py", self.dir / f"{name}.hdf5",
                 "--out", out], timeout=runner.LONGEST_RUN_S, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for picture in ("spectra.png", "images.png"):
                self.assertGreater((out / picture).stat().st_size, 20000, f"{name}: {picture}")


if __name__ == "__main__":
    if not GRID.is_file():
        print(f"skipped: no real grid, catalogues and curves in {SHARED}/data")
        sys.exit(SKIPPED)
    runner.main()
