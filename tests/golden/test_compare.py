#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare.py must see what is wrong, and nothing else. Run by plain python3."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

COMPARE = Path(__file__).with_name("compare.py")
SPECTRUM = "Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent"
PHOTOMETRY = "Galaxies/Stars/Photometry/Fluxes/emergent/JWST/NIRCam.F200W"
ZERO = "Galaxies/Stars/Lines/Flux/incident"
OBSERVED = "Galaxies/Lines/ObservedWavelengths"
TAU = "Galaxies/Stars/OpticalDepths/Particles"
PARTICLE_PHOTOMETRY = "Galaxies/Stars/ParticlePhotometry/Fluxes/emergent"


def make_contents():
    """Datasets of our file and of the reference, which agree."""
    spectrum = np.linspace(1e28, 5e30, 12).reshape(2, 6)
    both = {
        SPECTRUM: spectrum,
        PHOTOMETRY: np.array([3.0, 4.0], dtype=np.float32),
        ZERO: np.zeros((2, 3)),
        "Lines/Wavelengths": np.array([1215.67, 4861.32, 6562.80]),
    }
    ids = ["H 1 1215.67A", "H 1 4861.32A", "H 1 6562.80A"]
    observed = np.array([[2431.34, 9722.64, 13125.6], [3647.01, 14583.96, 19688.4]])
    tau = np.array([0.5, 0.25, 2.0])
    sfzh = np.arange(8.0).reshape(2, 2, 2)
    ours = both | {"Lines/IDs": np.array(ids, dtype=object), OBSERVED: observed, TAU: tau,
                   "Galaxies/Stars/SFZH": sfzh, "Galaxies/ID": np.arange(2)}
    reference = both | {"Lines/IDs": np.array(ids, dtype="S14"), OBSERVED: observed[0],
                        "Extras/Stars/tau_v": tau, "Extras/SFZH": sfzh,
                        "Extras/Stars/particle_photo_fnu/emergent": np.ones((3, 8), dtype=np.float32),
                        "EmissionModel/emergent/Children": np.array(["a", "b"], dtype="S1")}
    return ours, reference


def write_file(path, contents):
    """Write datasets by path."""
    with h5py.File(path, "w") as file:
        for name, values in contents.items():
            dtype = h5py.string_dtype() if values.dtype == object else None
            file.create_dataset(name, data=values, dtype=dtype)


class CompareTest(unittest.TestCase):
    """Each case changes one thing in files that agree."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.ours, self.reference = make_contents()

    def run_compare(self, *options):
        """Exit code and output."""
        paths = [str(Path(self.directory.name, name)) for name in ("ours.hdf5", "reference.hdf5")]
        write_file(paths[0], self.ours)
        write_file(paths[1], self.reference)
        done = subprocess.run([sys.executable, COMPARE, *paths, *options], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def change(self, path, scale_fraction):
        """Move one value of ours by a fraction of the scale of its dataset."""
        values = np.array(self.ours[path])
        values.ravel()[1] += scale_fraction * np.abs(values).max()
        self.ours[path] = values

    def assert_fails(self, *words, options=()):
        """Exit code 1, and a FAIL line with these words."""
        code, text = self.run_compare(*options)
        self.assertEqual(code, 1, text)
        lines = [line for line in text.splitlines() if line.startswith("FAIL ")]
        self.assertTrue(any(all(word in line for word in words) for line in lines), text)

    def test_files_that_agree_pass(self):
        code, text = self.run_compare()
        self.assertEqual(code, 0, text)
        self.assertIn("not written by choice", text)
        self.assertIn("0 failed", text)

    def test_a_changed_value_fails(self):
        self.change(SPECTRUM, 2e-9)
        self.assert_fails(SPECTRUM, "2.00e-09 > 1e-09", "[0, 1]")

    def test_a_change_below_the_bar_passes(self):
        self.change(SPECTRUM, 5e-10)
        self.change(TAU, 4e-6)
        self.assertEqual(self.run_compare()[0], 0)

    def test_the_last_bar_given_decides(self):
        self.change(SPECTRUM, 2e-9)
        self.assertEqual(self.run_compare("--bar", "*/emergent=1e-8")[0], 0)
        self.assert_fails(SPECTRUM, options=("--bar", "*/emergent=1e-8", "--bar", "Galaxies/*=1e-10"))
        self.assertEqual(self.run_compare("--default-bar", "1e-8")[0], 0)

    def test_photometry_has_the_bar_of_single_precision(self):
        self.ours[PHOTOMETRY] = np.array([3.0, 4.0 * (1 + 2e-7)])
        self.assertEqual(self.run_compare()[0], 0)
        self.ours[PHOTOMETRY] = np.array([3.0, 4.0 * (1 + 4e-7)])
        self.assert_fails(PHOTOMETRY, "> 3e-07")

    def test_a_changed_optical_depth_fails(self):
        self.change(TAU, 6e-6)
        self.assert_fails(TAU, "> 5e-06")

    def test_a_missing_dataset_fails(self):
        for path in (SPECTRUM, TAU, "Lines/IDs"):
            self.ours, self.reference = make_contents()
            del self.ours[path]
            self.assert_fails(path, "missing in ours")

    def test_a_dataset_left_out_on_request_passes(self):
        del self.ours[TAU]
        self.assertEqual(self.run_compare("--without", "Galaxies/Stars/OpticalDepths/*")[0], 0)

    def test_an_extra_without_a_known_place_fails(self):
        self.reference["Extras/Something"] = np.ones(2)
        self.assert_fails("Extras/Something", "no place")

    def test_particle_photometry_is_compared_when_it_is_there(self):
        self.ours[PARTICLE_PHOTOMETRY] = np.ones((3, 8))
        self.assertEqual(self.run_compare()[0], 0)
        self.ours[PARTICLE_PHOTOMETRY] = np.full((3, 8), 1.1)
        self.assert_fails(PARTICLE_PHOTOMETRY)

    def test_nan_and_infinity_fail(self):
        for bad in (np.nan, np.inf):
            self.ours[SPECTRUM] = np.where(np.arange(12).reshape(2, 6) == 7, bad, self.reference[SPECTRUM])
            self.assert_fails(SPECTRUM, "NaN or infinite", "[1, 1]")

    def test_a_wrong_shape_fails(self):
        self.ours[SPECTRUM] = self.ours[SPECTRUM][:1]
        self.assert_fails(SPECTRUM, "shape: ours (1, 6), reference (2, 6)")

    def test_a_wrong_type_fails(self):
        self.ours[PHOTOMETRY] = np.array([3, 4])
        self.assert_fails(PHOTOMETRY, "type: ours int64")

    def test_anything_but_zero_fails_where_the_reference_is_zero(self):
        self.ours[ZERO] = np.full((2, 3), 1e-300)
        self.assert_fails(ZERO, "zero everywhere")

    def test_a_changed_line_id_fails(self):
        self.ours["Lines/IDs"] = np.array(["H 1 1215.67A", "H 1 4861.33A", "H 1 6562.80A"], dtype=object)
        self.assert_fails("Lines/IDs", "4861.33A")

    def test_only_the_first_row_of_observed_wavelengths_is_compared(self):
        self.ours[OBSERVED] = self.ours[OBSERVED][::-1]
        self.assert_fails(OBSERVED)

    def test_json_holds_every_dataset(self):
        code, text = self.run_compare("--json")
        self.assertEqual(code, 0, text)
        self.assertEqual({item["status"] for item in json.loads(text)}, {"ok", "not compared"})
        self.assertIn(SPECTRUM, [item["path"] for item in json.loads(text)])

    def test_files_without_anything_in_common_fail(self):
        self.reference = {"Instruments/x": np.ones(1)}
        self.assert_fails("no dataset in common")

    def test_an_unreadable_file_is_an_error_of_usage(self):
        path = Path(self.directory.name, "not.hdf5")
        path.write_text("no")
        command = [sys.executable, COMPARE, path, path]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot read", done.stderr)
        done = subprocess.run([*command, "--bar", "x"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("PATTERN=VALUE", done.stderr)


if __name__ == "__main__":
    unittest.main()
