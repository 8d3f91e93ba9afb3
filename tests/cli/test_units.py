#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a catalogue says of its units, its frame and its redshifts, through the whole program: the same galaxies in
other units give the same results; what cannot be known is refused or said."""

import shutil
from pathlib import Path

import h5py
import numpy as np

import runner
from small import ASIDE, INPUT, USAGE, SmallTest

REDSHIFT, HUBBLE = 1.0, 0.6774
A = 1 / (1 + REDSHIFT)

# Operations that need lengths too.
IMAGES = ("  lines: {ids: [all]}\n", "  los_optical_depths: {}\n  images_flux: {fov_arcsec: 2, labels: [intrinsic]}\n")


def rewrite(path, factor, unit):
    """The numbers of a dataset times `factor`, in a unit that is 1/factor of the one they had."""
    def change(file):
        dataset = file[path]
        dataset[...] = dataset[()] * factor
        dataset.attrs["Units"] = unit
    return change


def both(*changes):
    def change(file):
        for one in changes:
            one(file)
    return change


def frame(place="/", **attributes):
    def change(file):
        file.require_group(place).attrs.update(attributes)
    return change


class UnitsTest(SmallTest):
    """One catalogue, in many units."""

    def run_changed(self, name, change, *more):
        """Run the job on a catalogue changed so; its results, and what was said."""
        source = self.spoil("catalogue.hdf5", f"{name}_in.hdf5", change)
        output = self.call("run", self.job(name, ("catalogue.hdf5", source), IMAGES, *more))
        return self.dir / f"{name}.hdf5", output

    def expect_close(self, path, expected, tolerance):
        """All numbers of galaxies agree, relative to the largest of their dataset."""
        with h5py.File(path) as file, h5py.File(expected) as wanted:
            def compare(name, item):
                if not isinstance(item, h5py.Dataset) or item.dtype.kind != "f":
                    return
                scale = np.abs(item[()]).max()
                self.assertLessEqual(np.abs(file["Galaxies"][name][()] - item[()]).max(), tolerance * scale, name)
            wanted["Galaxies"].visititems(compare)

    def test_the_same_galaxies_in_other_units_are_the_same(self):
        plain, _ = self.run_changed("plain", lambda file: None)
        cases = {
            # Where the factor is 1 the bits are too.
            "spelt": (both(*(rewrite(f"Stars/{name}", 1, unit) for name, unit in
                             (("initial_masses", "M_sun"), ("ages", "Julian years"), ("coordinates", "KPC"),
                              ("smoothing_lengths", "proper kiloparsec"), ("metallicities", "")))), 0),
            "sun": (rewrite("Stars/initial_masses", 1, "M\N{SUN}"), 0),
            # A number times a factor and back is up to two roundings off, 2e-16 each, and sums of 20 stars a few of
            # them: 1e-12 leaves room. Where coordinates move by a rounding, kernels are looked up beside it: 1e-9.
            "heavy": (rewrite("Stars/initial_masses", 1e-10, "1e10*Msun"), 1e-12),
            "h": (both(rewrite("Stars/initial_masses", 1e-10 * HUBBLE, "1e10 Msun/h"), frame(HubbleParam=HUBBLE)),
                  1e-12),
            "comoving": (both(*(rewrite(f"{group}/{name}", HUBBLE / A, "ckpc h^-1") for group in ("Stars", "Gas")
                                for name in ("coordinates", "smoothing_lengths")),
                              rewrite("BlackHoles/coordinates", 1e-3 / A, "cMpc"),
                              frame("Header", Redshift=REDSHIFT, Time=A), frame("Cosmology", H0=100 * HUBBLE)), 1e-9),
            "scale": (both(rewrite("Stars/smoothing_lengths", 1 / A, "a kpc"),
                           frame(scale_factor=np.array([A]))), 1e-12),
            "ages": (rewrite("Stars/ages", 1e-9, "gigayear"), 1e-12),
        }
        for name, (change, tolerance) in cases.items():
            with self.subTest(name):
                path, output = self.run_changed(name, change)
                self.assertNotIn("warning", output)
                self.expect_close(path, plain, tolerance)

    def test_masses_are_those_of_numpy(self):
        path, _ = self.run_changed("numpy", both(rewrite("Stars/initial_masses", 1, "10^7 h^-2 Msun"), frame(h=0.7)),
                                   ("sfzh: {}", "sfzh: {}\n  sfh: {}"))
        with h5py.File(path) as file, h5py.File(self.dir / "catalogue.hdf5") as catalogue:
            expected = catalogue["Stars/initial_masses"][()].reshape(3, 20).sum(axis=1) * 1e7 / 0.7**2
            # 1e-14: sums of 20 in another order
            np.testing.assert_allclose(file["Galaxies/Stars/SFH"][()].sum(axis=1), expected, rtol=1e-14)

    def test_what_the_file_does_not_say_is_asked_for(self):
        cases = [
            ("Stars/coordinates", "ckpc", frame(h=0.7), "multiply the numbers by a, a = 1/(1+z)"),
            ("Stars/initial_masses", "1e10*Msun/h", frame(a=0.5), "divide the numbers by h"),
            ("Stars/coordinates", "code_length", frame(), "the simulation's own unit"),
            ("Stars/metallicities", "Zsun", frame(), "0.0134"),
            ("Stars/initial_masses", "Msun/h", frame(HubbleParam=67.74), "'HubbleParam' of '/' is 67.74"),
            ("Stars/initial_masses", "Msun/h", frame(h="0.7"), "'h' of '/' is not one number"),
            ("Stars/initial_masses", "Msun/h", both(frame(h=0.7), frame("Header", HubbleParam=0.6774)), "correct one"),
            ("Stars/coordinates", "ckpc", frame(a=2.0), "'a' of '/' is 2"),
            ("Stars/coordinates", "ckpc", frame(a=0.25), "scale factor 0.25 (redshift 3)"),
            ("Stars/ages", "", frame(), "a pure number, expected a time"),
        ]
        for i, (path, unit, change, said) in enumerate(cases):
            with self.subTest(f"{path} {unit} {said}"):
                name = self.spoil("catalogue.hdf5", f"refused{i}_in.hdf5", both(rewrite(path, 1, unit), change))
                self.expect(INPUT, self.job(f"refused{i}", ("catalogue.hdf5", name), IMAGES), f"'{name}'", said)

    def test_parameters_of_stars_and_galaxies_in_per_cent(self):
        def change(group, n, factor, unit):
            def write(file):
                file[f"{group}/part"] = np.linspace(0.1, 0.5, n) * factor
                file[f"{group}/part"].attrs["Units"] = unit
            return write
        for group, n in (("Stars", 60), ("Galaxies", 3)):
            job = ("fesc: fesc", "fesc: part")
            plain, _ = self.run_changed(f"part_{group}", change(group, n, 1, ""), job)
            path, _ = self.run_changed(f"percent_{group}", change(group, n, 100, "%"), job)
            self.expect_close(path, plain, 1e-12)

    def test_metallicities_in_per_cent(self):
        """Solar is 1.3 %: the bound of 1 is one of fractions, not of the numbers in the file."""
        def change(path, unit, factor):
            def write(file):
                rewrite(path, factor, unit)(file)
                file[path][0] = factor  # all of that particle is metals: still within
            return write
        for path in ("Stars/metallicities", "Gas/metallicities"):
            plain, _ = self.run_changed("fraction_" + path[:3], change(path, "dimensionless", 1))
            for unit, factor in (("%", 100), ("1e-3", 1000)):
                name = f"part{factor}_{path[:3]}"
                result, _ = self.run_changed(name, change(path, unit, factor))
                self.expect_close(result, plain, 1e-12)
        name = self.spoil("catalogue.hdf5", "beyond_in.hdf5", change("Stars/metallicities", "%", 101))
        output = self.call("run", self.job("beyond", ("catalogue.hdf5", name)), expected=ASIDE)
        self.assertIn("'Stars/metallicities' particle 0 is 1.01, must be >= 0 and <= 1", output)

    # ---- what no unit tells ----------------------------------------------------------------------

    def test_numbers_that_can_hardly_be_in_their_unit_are_said(self):
        cases = [  # (dataset, factor, figure of the warning, what it may be)
            ("Stars/ages", lambda age: age / 1e9, 1e-9, " yr, too young for all of them: are they in Gyr"),
            ("Stars/ages", np.log10, None, "logarithms or scale factors"),
            ("Stars/ages", lambda age: age * 1e6, 1e6, " yr, older than the universe"),
            ("Stars/initial_masses", lambda mass: mass / 1e10, 1e-10, "are they in 1e10*Msun?"),
            ("Stars/initial_masses", lambda mass: mass * 2e33, 2e33, " Msun, more than any galaxy has"),
            ("Stars/metallicities", lambda z: np.full_like(z, 0.7), None, "0.7, much for a mass fraction of metals"),
        ]
        for i, (path, function, factor, said) in enumerate(cases):
            with self.subTest(f"{path} {said}"):
                def change(file):
                    file[path][...] = function(file[path][()])
                name = self.spoil("catalogue.hdf5", f"doubt{i}_in.hdf5", change)
                with h5py.File(self.dir / "catalogue.hdf5") as file:
                    most = file[path][()].max()
                for command, ranks in (("check", None), ("run", None), ("run", 3))[:3 if i == 0 else 1]:
                    output = self.call(command, self.job(f"doubt{i}", ("catalogue.hdf5", name)), ranks=ranks)
                    self.assertEqual(output.count("particles looked at is"), 1, output)
                    self.assertIn(said, output)
                    if factor:
                        self.assertIn(f"'{path}': the largest of 60 particles looked at is {most * factor:.6g} ", output)
        self.assertNotIn("particles looked at is", self.call("check", "untouched.yaml"))

    def test_attributes_of_other_meaning_do_not_matter(self):
        self.run_changed("other", frame(a="a note", h=70.0, Redshift=-5))

    def test_galaxies_off_the_scale_factor_are_said(self):
        def change(file):
            file["Galaxies/redshift"][1] = REDSHIFT + 0.004
        for ranks in (None, 3):
            name = self.spoil("catalogue.hdf5", f"off{ranks}_in.hdf5",
                              both(rewrite("Stars/coordinates", 1 / A, "ckpc"), frame(a=A), change))
            output = self.call("run", self.job(f"off{ranks}", ("catalogue.hdf5", name), IMAGES), ranks=ranks)
            self.assertIn("from which 1 galaxies differ", output)
            self.assertIn("redshift 1.004: its lengths would be 0.2% off", output)

    def test_names_of_the_attribute(self):
        def rename(name, path="Stars/ages"):
            def change(file):
                file[path].attrs[name] = file[path].attrs["Units"]
                if name != "Units":
                    del file[path].attrs["Units"]
            return change
        for name in ("units", "Unit", "unit"):
            self.run_changed(f"attribute_{name}", rename(name))
        name = self.spoil("catalogue.hdf5", "two_in.hdf5", lambda f: f["Stars/ages"].attrs.update(units="Myr"))
        self.expect(INPUT, self.job("two", ("catalogue.hdf5", name)), "'Stars/ages'", "'yr'", "'Myr'", "leave one")

    # ---- what the catalogue says of the model, and the job does not ask for --------------------

    def test_a_parameter_left_at_its_default_is_said_if_the_catalogue_has_it(self):
        def deep(file):
            file["Galaxies/tau_v"][...] = [4.0, 5.0, 6.0]
            file["Stars/Fesc"] = np.full(60, 0.25)
        source = self.spoil("catalogue.hdf5", "deep_in.hdf5", deep)
        change = ("catalogue.hdf5", source)
        tau = "'Galaxies/tau_v' (4 to 6), which the job does not use: emission.tau_v is 0.5 for all by default"
        fesc = "'Stars/Fesc' (0.25 to 0.25), which the job does not use: emission.fesc is 0 for all by default"
        cases = [  # (what the job says, what is said)
            ("", [tau, fesc]), ("tau_v: 0.5", [fesc]), ("tau_v: tau_v", [fesc]), ("fesc: Fesc", [tau]),
            ("tau_v: 2\n  fesc: 0", []), ("model: incident", []), ("model: transmitted", [fesc]),
        ]
        for i, (text, said) in enumerate(cases):
            job = self.job(f"deep{i}", change, ("  tau_v: tau_v\n", ""), ("  fesc: fesc\n", f"  {text}\n"),
                           *([("model: pacman\n", "")] if "model" in text else []))
            for command, ranks in (("check", None), ("run", None), ("run", 3))[:3 if i == 0 else 1]:
                output = self.call(command, job, ranks=ranks)
                self.assertEqual(output.count("warning"), len(said), output)
                for part in said:
                    self.assertEqual(output.count(part), 1, output)

    def test_a_ratio_of_the_job_that_the_catalogue_has_too_is_said(self):
        name = self.spoil("catalogue.hdf5", "dusty_in.hdf5",
                          lambda file: file["Galaxies/dust_to_metal_ratio"].write_direct(np.array([0.1, 0.2, 0.3])))
        output = self.call("check", self.job("dusty", ("catalogue.hdf5", name), IMAGES,
                                             ("threads: 1", "threads: 1\ndust_to_metal_ratio: 0.4")))
        self.assertIn("dust_to_metal_ratio is given, but 'dusty_in.hdf5' has", output)

    # ---- redshifts that are 0 --------------------------------------------------------------------

    def test_roundings_of_redshift_zero_are_ten_parsecs(self):
        def nearly(value):
            def change(file):
                file["Galaxies/redshift"][...] = [0.0, value, 1.0]
            return change
        exact, _ = self.run_changed("exact_zero", nearly(0.0))
        for ranks, value in ((None, 2.220446049250313e-16), (None, -2.220446049250313e-16), (3, 9e-9)):
            name = f"nearly_zero{ranks}{value}"
            source = self.spoil("catalogue.hdf5", f"{name}_in.hdf5", nearly(value))
            output = self.call("run", self.job(name, ("catalogue.hdf5", source), IMAGES), ranks=ranks)
            self.assertIn("of 1 of 3 galaxies is a rounding of 0", output)
            self.assertIn(f"{value:.6g}", output)
            self.assertIn("put at 10 pc", output)
            self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), runner.read_bytes(exact), name)

    def test_redshifts_that_are_almost_zero_are_said(self):
        """Float32 has 1 - 6e-8 next to 1; 299792.458 / 67.66 Mpc times that is 264 pc."""
        def change(file):
            file["Galaxies/redshift"][...] = [1.0, 5.96e-8, 2e-5]
        source = self.spoil("catalogue.hdf5", "almost_in.hdf5", change)
        output = self.call("check", self.job("almost", ("catalogue.hdf5", source)))
        self.assertEqual(output.count("kpc away"), 1, output)
        self.assertIn("galaxy 1 is at redshift 5.96e-08, only 0.264 kpc away", output)

    def test_a_redshift_of_the_job_that_is_a_rounding_of_zero(self):
        results = []
        for name, value in (("job_zero", "0"), ("job_nearly", "2.2e-16"), ("job_below", "-2.2e-16")):
            output = self.call("run", self.job(name, ("threads: 1", f"threads: 1\nredshift: {value}")))
            self.assertIn("put at 10 pc", output)
            self.assertEqual("a rounding of 0" in output, value != "0", output)
            results.append(runner.read_bytes(self.dir / f"{name}.hdf5"))
        self.expect_same(results[1], results[0], "2.2e-16")
        self.expect_same(results[2], results[0], "-2.2e-16")
        self.expect(USAGE, self.job("job_negative", ("threads: 1", "threads: 1\nredshift: -1e-3")), "redshift")

    # ---- what newcomers start with ---------------------------------------------------------------

    def test_the_readme_and_init_run_on_a_light_cone(self):
        """As they are, but for where the files are."""
        readme = (runner.ROOT / "README.md").read_text(encoding="utf-8")
        example = readme.split("```yaml\n")[1].split("```")[0]
        template = self.call("init")
        shutil.copy(self.dir / "grid.hdf5", self.dir / "cone_grid.hdf5")
        for name, text in (("readme", example), ("template", template)):
            here = self.dir / f"cone_{name}"
            here.mkdir()
            shutil.copy(self.dir / "grid.hdf5", here)
            source = self.spoil("catalogue.hdf5", "cone.hdf5",
                                lambda file: file["Galaxies/redshift"].write_direct(np.array([0.5, 1.0, 6.0])))
            shutil.copy(self.dir / source, here / "catalogue.hdf5")
            (here / "job.yaml").write_text(text, encoding="utf-8")
            for command in ("check", "run"):
                code, output = runner.finish(runner.start([self.program, command, "job.yaml"], cwd=here))
                self.assertEqual(code, 0, output)
            with h5py.File(here / "results.hdf5") as file:
                self.assertTrue((file["Run/Ledger"]["status"] == 1).all())
            shutil.rmtree(here)


if __name__ == "__main__":
    runner.main()
