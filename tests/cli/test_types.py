#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`output_types`: float32 spectra and images are the float64 ones rounded, in half the bytes; nothing else changes."""

import re
import subprocess
import sys

import h5py
import numpy as np

import runner
import small

N_GALAXY = 6
SINGLE = ("Galaxies/Stars/Spectra/", "Galaxies/Stars/Images/")
TYPES = "output_types: {{{{spectra: {spectra}, images: {images}}}}}\n"  # formatted twice


def read_datasets(path):
    """{path: values} of all datasets of galaxies."""
    found = {}
    with h5py.File(path, "r") as file:
        def keep(name, item):
            if isinstance(item, h5py.Dataset) and name.startswith(("Galaxies/", "Storage/")):
                found[name] = item[()]
        file.visititems(keep)
    return found


def ask(output, what):
    """Bytes that `check` predicts: "output  x.hdf5: 12 MB a galaxy, 72 MB in all"."""
    number, unit = re.search(rf"([0-9.]+) ([kMG]?)B {what}", output).groups()
    return float(number) * 1000 ** ["", "k", "M", "G"].index(unit)


class TypesTest(runner.ProgramTest):
    """The same galaxies in both types."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.call("demo-catalogue", "--nparticles=60", f"--ngalaxies={N_GALAXY}", "--seed=3", "-o", "catalogue.hdf5")
        cls.write_types("double", "float64", "float64")
        cls.write_types("single", "float32", "float32")
        cls.call("run", "double.yaml")
        cls.call("run", "single.yaml", ranks=3)

    @classmethod
    def write_types(cls, name, spectra, images, output=None):
        """A job file with these types."""
        return cls.write_job(name, runner.JOB + TYPES.format(spectra=spectra, images=images),
                             output=f"{output or name}.hdf5")

    def test_float32_is_float64_rounded_and_the_rest_is_the_same(self):
        double, single = (read_datasets(self.dir / f"{name}.hdf5") for name in ("double", "single"))
        self.assertEqual(sorted(double), sorted(single))
        n_rounded = 0
        for name, values in double.items():
            is_single = name.startswith(SINGLE)
            n_rounded += is_single
            self.assertEqual(single[name].dtype, np.float32 if is_single else values.dtype, name)
            expected = values.astype(np.float32) if is_single else values
            self.assertEqual(single[name].tobytes(), expected.tobytes(), name)
        self.assertGreater(n_rounded, 10)
        with h5py.File(self.dir / "double.hdf5") as first, h5py.File(self.dir / "single.hdf5") as second:
            for name in double:
                self.assertEqual(dict(first[name].attrs), dict(second[name].attrs), name)

    def test_the_numbers_do_not_depend_on_ranks(self):
        self.write_types("alone", "float32", "float32")
        self.call("run", "alone.yaml")
        self.expect_same(runner.read_bytes(self.dir / "alone.hdf5"), runner.read_bytes(self.dir / "single.hdf5"), "ranks")

    def test_each_file_is_as_it_was_written(self):
        for name in ("double", "single"):
            self.assertIn("as they were written", self.call("verify", f"{name}.hdf5"))

    def test_spectra_and_images_take_half_and_check_says_so(self):
        values = {name: sum(data.nbytes for path, data in read_datasets(self.dir / f"{name}.hdf5").items()
                            if path.startswith(SINGLE)) for name in ("double", "single")}
        self.assertEqual(values["double"], 2 * values["single"])
        saved = (self.dir / "double.hdf5").stat().st_size - (self.dir / "single.hdf5").stat().st_size
        self.assertAlmostEqual(saved / values["single"], 1, delta=0.01)  # headers round to pages
        predicted = {name: ask(self.call("check", f"{name}.yaml"), "in all") for name in ("double", "single")}
        # three digits are printed
        self.assertAlmostEqual((predicted["double"] - predicted["single"]) / values["single"], 1, delta=0.02)

    def test_a_file_of_one_type_is_not_continued_with_the_other(self):
        self.write_types("mixed", "float64", "float64")
        self.call("run", "--max-galaxies=2", "mixed.yaml")
        before = (self.dir / "mixed.hdf5").read_bytes()
        for spectra, images, key in (("float32", "float64", "spectra"), ("float64", "float32", "images")):
            self.write_types("other", spectra, images, output="mixed")
            output = self.call("run", "other.yaml", expected=small.USAGE)
            self.assertIn(f"output_types.{key}: float64, the job has float32", output)
            self.assertEqual((self.dir / "mixed.hdf5").read_bytes(), before)
        self.write_types("other", "float32", "float64", output="mixed")
        self.call("run", "--overwrite", "other.yaml")
        got, double = read_datasets(self.dir / "mixed.hdf5"), read_datasets(self.dir / "double.hdf5")
        name = "Galaxies/Stars/Spectra/SpectralFluxDensities/emergent"
        self.assertEqual(got[name].tobytes(), double[name].astype(np.float32).tobytes())
        image = next(path for path in got if path.startswith(SINGLE[1]))
        self.assertEqual(got[image].dtype, np.float64)
        self.assertIn("as they were written", self.call("verify", "mixed.hdf5"))

    def test_a_type_that_is_none_is_refused_with_its_line(self):
        self.write_types("half", "float16", "float64")
        output = self.call("run", "half.yaml", expected=small.USAGE)
        for part in ("half.yaml:", "output_types.spectra", "float16", "float32"):
            self.assertIn(part, output)

    def test_scripts_read_both(self):
        for name in ("double", "single"):
            subprocess.run([sys.executable, runner.ROOT / "scripts/plot_galaxy.py", f"{name}.hdf5", "--out", name],
                           check=True, cwd=self.dir, capture_output=True)
            self.assertEqual(sorted(path.name for path in (self.dir / name).iterdir()), ["images.png", "spectra.png"])
        done = subprocess.run([sys.executable, runner.ROOT / "scripts/compare_results.py", "double.hdf5", "single.hdf5"],
                              check=False, cwd=self.dir, capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("float32", done.stdout + done.stderr)


if __name__ == "__main__":
    runner.main()
