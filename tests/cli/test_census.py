#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The census: its figures against numpy, and the mistakes that it must see. The last test needs real galaxies
($POLYPHONY_SHARED, or ../shared) and says so where there are none."""

import os
from pathlib import Path

import h5py
import numpy as np

import runner
import small

SHARED = Path(os.environ.get("POLYPHONY_SHARED", runner.ROOT.parent / "shared")).resolve()
N_GALAXY, N_STAR, N_PLACE = 4, 300, 256  # of more stars than 256 so many are looked at
ROUNDING = 1e-6  # what is beyond a node by less is on it
JOB = """\
catalogue: catalogue.hdf5
grid: grid.hdf5
output: {output}
threads: 1
emission: {{model: pacman, tau_v: los, fesc: 0.1}}
instruments:
  - {{label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}}
operations:
  los_optical_depths: {{}}
  photometry_luminosities: {{labels: [intrinsic, emergent]}}
  photometry_fluxes: {{labels: [emergent]}}
  images_luminosity: {{labels: [intrinsic, emergent], fov_arcsec: 4, sampling: exact}}
  images_flux: {{labels: [emergent], fov_arcsec: 4, type: histogram}}
progress: no
"""
PLAIN = JOB[:JOB.index("operations")].replace("los", "0.5") + "operations:\n  images_flux: {{labels: [incident], fov_arcsec: 40}}\nprogress: no\n"


def stars_of(file, group="Stars"):
    """Slices of each galaxy."""
    return [slice(int(begin), int(begin + n)) for begin, n in zip(file[f"{group}/offset"], file[f"{group}/length"])]


class CensusTest(small.SmallTest):
    """Four galaxies of 300 stars, spoilt in known ways."""

    @classmethod
    def setUpClass(cls):
        super(small.SmallTest, cls).setUpClass()
        cls.call("demo-grid", "--nages=4", "--nmetallicities=3", "--nwavelengths=300")
        cls.call("demo-catalogue", f"--nparticles={N_STAR}", f"--ngalaxies={N_GALAXY}", "--seed=3")

    def warnings(self, output):
        return [line for line in output.splitlines() if "of 4 galaxies: " in line or "filter '" in line]

    def expected(self, path):
        """Every figure of the census, with numpy, from the catalogue and the axes of the grid alone."""
        with h5py.File(self.dir / path) as file, h5py.File(self.dir / "grid.hdf5") as grid:
            nodes = {"Stars/ages": grid["axes/ages"][()], "Stars/metallicities": grid["axes/metallicities"][()]}
            found = {name: [] for name in ("StellarMass", "StarsWithoutLight", "MassBelowGrid", "MassAboveGrid", "Extent",
                                           "CentreDistance", "GasBefore", "GasBehind")}
            for stars, gas in zip(stars_of(file), stars_of(file, "Gas")):
                mass, place = file["Stars/initial_masses"][stars], file["Stars/coordinates"][stars]
                found["StellarMass"].append(mass.sum())
                found["StarsWithoutLight"].append((mass == 0).mean())
                found["MassBelowGrid"].append([mass[file[name][stars] < axis[0] * (1 - ROUNDING)].sum() / mass.sum()
                                               for name, axis in nodes.items()])
                found["MassAboveGrid"].append([mass[file[name][stars] > axis[-1] * (1 + ROUNDING)].sum() / mass.sum()
                                               for name, axis in nodes.items()])
                some = place[np.arange(N_PLACE) * len(place) // N_PLACE]
                middle = np.median(some, axis=0)
                extent = np.median(np.linalg.norm(some - middle, axis=1))
                found["Extent"].append(extent)
                found["CentreDistance"].append(np.linalg.norm(middle - place.mean(axis=0)) / extent)
                dust = file["Gas/masses"][gas] * file["Gas/metallicities"][gas]
                z = file["Gas/coordinates"][gas][:, 2]
                found["GasBefore"].append(dust[z < place[:, 2].min()].sum() / dust.sum())
                found["GasBehind"].append(dust[z > place[:, 2].max()].sum() / dust.sum())
        return found

    def make_odd(self, name="odd.hdf5"):
        """Some stars off each end of the grid, some without mass, gas on both sides, a galaxy off its centre."""
        def spoil(file):
            random = np.random.default_rng(1)
            which = random.permutation(N_GALAXY * N_STAR)
            for path, value, begin in (("Stars/ages", 9e5, 0), ("Stars/ages", 2e11, 100), ("Stars/metallicities", 0.05, 200),
                                       ("Stars/initial_masses", 0.0, 300)):
                data = file[path][()]
                data[which[begin:begin + 80]] = value
                file[path][...] = data
            place = file["Gas/coordinates"][()]
            place[::3, 2] -= 300
            place[1::5, 2] += 400
            file["Gas/coordinates"][...] = place
        return self.spoil("catalogue.hdf5", name, spoil)

    def run_odd(self, name, ranks=None):
        self.make_odd("made.hdf5")
        job = self.job(name, ("catalogue: catalogue.hdf5", "catalogue: made.hdf5"), text=JOB)
        return self.call("run", job, ranks=ranks)

    def test_every_figure_is_that_of_numpy(self):
        output = self.run_odd("numpy")
        expected = self.expected("made.hdf5")
        with h5py.File(self.dir / "numpy.hdf5") as file:
            self.assertEqual([name.decode() for name in file["Axes/Names"]], ["ages", "metallicities"])
            for name, values in expected.items():
                found = file[f"Galaxies/Census/{name}"][()]
                self.assertGreater(np.abs(found).max(), 0, name)
                np.testing.assert_allclose(found, np.array(values), rtol=1e-12, atol=1e-14, err_msg=name)
        mass = np.array(expected["StellarMass"])
        share = 100 * (mass * np.array(expected["MassBelowGrid"])[:, 0]).sum() / mass.sum()
        self.assertIn(f"younger than the grid: {share:.3g} % of the stellar mass, at most ", output)
        worst = int(np.argmax(expected["CentreDistance"]))
        self.assertIn(f"at most {max(expected['CentreDistance']):.3g} (galaxy {worst})", output)

    def test_light_outside_is_what_images_lack(self):
        self.run_odd("light")
        n = 0
        with h5py.File(self.dir / "light.hdf5") as file:
            for kind, photometry in (("Luminosity", "Luminosities"), ("Flux", "Fluxes")):
                images = file[f"Galaxies/Stars/Images/{kind}/wide"]
                for label in images:
                    for code in ("JWST/NIRCam.F070W", "JWST/NIRCam.F444W"):
                        inside = images[f"{label}/{code}"][()].sum(axis=(1, 2))
                        all_light = file[f"Galaxies/Stars/Photometry/{photometry}/{label}/{code}"][()]
                        found = file[f"Galaxies/Census/LightOutside/{kind}/wide/{label}/{code}"][()]
                        np.testing.assert_allclose(found, 1 - inside / all_light, atol=1e-9)
                        self.assertTrue(np.all((found > 0) & (found < 1)))
                        n += 1
        self.assertEqual(n, 6)

    def test_same_bits_and_same_words_on_any_ranks(self):
        words = []
        for name, ranks in (("one", 1), ("three", 3)):
            output = self.run_odd(name, ranks)
            words.append([line for line in output.splitlines() if line.startswith("  ") or "of 4 galaxies: " in line])
            self.call("verify", f"{name}.hdf5")
        self.assertEqual(runner.read_bytes(self.dir / "one.hdf5"), runner.read_bytes(self.dir / "three.hdf5"))
        self.assertEqual(sorted(words[0]), sorted(words[1]))
        status = self.call("status", "one.hdf5")
        for line in words[0]:
            self.assertIn(line, status)

    def test_a_resumed_run_has_the_census_of_one_that_was_not(self):
        self.run_odd("straight")
        job = self.job("parts", ("catalogue: catalogue.hdf5", "catalogue: made.hdf5"), text=JOB)
        self.call("run", "--galaxy-ids=1,3", job)
        self.call("run", job, ranks=3)
        self.assertEqual(runner.read_bytes(self.dir / "parts.hdf5"), runner.read_bytes(self.dir / "straight.hdf5"))

    def test_without_mistakes_there_is_no_warning(self):
        job = self.job("well", text=PLAIN)
        for command in ("check", "run"):
            self.assertEqual(self.warnings(self.call(command, job)), [])

    def see(self, name, change, *says, is_seen=True):
        """A mistake is seen by check and by run."""
        path = self.spoil("catalogue.hdf5", f"{name}.input.hdf5", change)
        job = self.job(name, ("catalogue: catalogue.hdf5", f"catalogue: {path}"), text=PLAIN)
        for command in ("check", "run"):
            warnings = self.warnings(self.call(command, job))
            for text in says:
                self.assertEqual(any(text in line for line in warnings), is_seen, (name, command, warnings))
            if is_seen:
                self.assertTrue(all("4 of 4 galaxies: " in line for line in warnings), warnings)

    def test_ages_in_gyr_called_years(self):
        def spoil(file):
            file["Stars/ages"][...] = file["Stars/ages"][()] / 1e9
        self.see("gyr", spoil, "younger than the grid 100 % of the stellar mass", "are ages in Gyr or Myr")

    def test_metallicities_of_the_sun(self):
        def spoil(file):
            file["Stars/metallicities"][...] = np.full(N_GALAXY * N_STAR, 0.5)
        self.see("solar", spoil, "richer than the grid 100 % of the stellar mass", "in units of the Sun's")

    def test_a_centre_that_is_another_galaxys(self):
        def spoil(file):
            file["Galaxies/centre"] = np.full((N_GALAXY, 3), 600.0)
            file["Galaxies/centre"].attrs["Units"] = "kpc"
        self.see("centre", spoil, "extents from the centre", "outside the field of an image")

    def scale(self, file, factor, unit=None, redshift=None):
        for group in ("Stars", "Gas"):
            for name in ("coordinates", "smoothing_lengths"):
                item = file[f"{group}/{name}"]
                item[...] = item[()] * factor
                if unit:
                    item.attrs["Units"] = unit
        if redshift is not None:
            file["Galaxies/redshift"][...] = redshift

    def test_lengths_in_kpc_called_mpc_and_in_mpc_called_kpc(self):
        self.see("mpc", lambda file: self.scale(file, 1.0, "Mpc"), "an extent of 1", "called Mpc (or kpc)")
        self.see("kpc", lambda file: self.scale(file, 1e-3), "are lengths in Mpc, and called kpc")

    def test_comoving_lengths_called_proper(self):
        self.see("proper", lambda file: self.scale(file, 0.1, redshift=6.0), "comoving", is_seen=False)
        self.see("comoving", lambda file: self.scale(file, 0.7, redshift=6.0), "are lengths comoving, and called proper?")

    def test_gas_in_another_frame(self):
        def spoil(file):
            file["Gas/coordinates"][...] = file["Gas/coordinates"][()] + [0, 0, 1e3]
        path = self.spoil("catalogue.hdf5", "gas.input.hdf5", spoil)
        job = self.job("gas", ("catalogue: catalogue.hdf5", f"catalogue: {path}"), text=JOB)
        for command in ("check", "run"):
            self.assertIn("4 of 4 galaxies: gas farther than all stars: 100 % of the dust", self.call(command, job))

    def test_filters_in_nm(self):
        wavelength = np.linspace(0, 1, 50)
        for code, low, high, says in (("V", 500, 600, "in nm or micron"), ("JWST/NIRCam.F115W", 1010, 1280, "its name says 11500")):
            curve = np.column_stack((low + (high - low) * wavelength, np.sin(np.pi * wavelength)))
            np.savetxt(self.dir / "curve.txt", curve)
            job = self.job(f"nm{low}", ("builtin: JWST/NIRCam.Wide", f"filters: [{{code: {code}, file: curve.txt}}]"), text=PLAIN)
            for command in (["check"], ["run"]):
                warnings = self.warnings(self.call(*command, job))
                self.assertTrue(any(says in line for line in warnings), warnings)

    def test_filters_have_their_pivots_ranges_and_what_the_grid_lacks(self):
        job = self.job("filters", text=PLAIN)
        self.assertIn("JWST/NIRCam.F200W: pivot 1", self.call("check", job))
        self.call("run", job)
        with h5py.File(self.dir / "filters.hdf5") as file:
            found = file["Instruments/wide/Filters/JWST.NIRCam.F200W"]
            wave, through = found["Original_Wavelength"][()], found["Original_Transmission"][()]
            pivot = np.sqrt(np.trapz(through * wave, wave) / np.trapz(through / wave, wave))
            self.assertAlmostEqual(found.attrs["pivot_wavelength_angstrom"] / pivot, 1, delta=1e-4)
            self.assertLessEqual(abs(found.attrs["lowest_wavelength_angstrom"] - wave[through > 0].min()), 20)
            self.assertLessEqual(abs(found.attrs["highest_wavelength_angstrom"] - wave[through > 0].max()), 20)
            self.assertEqual(found.attrs["share_off_grid_observed"], 0)
            self.assertNotIn("share_off_grid_rest", found.attrs)

    def test_parameters_that_are_there_and_not_used(self):
        def spoil(file):
            file["Galaxies/tau_v"][...] = [0.1, 0.2, 0.3, 0.4]
        path = self.spoil("catalogue.hdf5", "tau.hdf5", spoil)
        job = self.job("unused", ("catalogue: catalogue.hdf5", f"catalogue: {path}"), ("tau_v: 0.5, fesc: 0.1", "dust_curve: power_law"), ("[incident]", "[emergent]"), text=PLAIN)
        output = self.call("check", job)
        for name in ("tau_v", "fesc"):
            self.assertRegex(output, f"warning +'tau.hdf5' has 'Galaxies/{name}' .* which the job does not use")

    def test_limits_can_be_set_and_change_nothing_else(self):
        def spoil(file):
            file["Stars/ages"][...] = file["Stars/ages"][()] / 1e9
        self.spoil("catalogue.hdf5", "young.hdf5", spoil)
        changes = ("catalogue: catalogue.hdf5", "catalogue: young.hdf5")
        self.call("run", self.job("limits", changes, text=PLAIN))
        looser = self.job("limits", changes, ("operations:\n", "operations:\n  census: {off_grid: 1}\n"), text=PLAIN)
        self.assertEqual(self.warnings(self.call("check", looser)), [])
        self.assertEqual(self.warnings(self.call("run", looser)), [])  # continues the file

    def test_a_sample_is_said_and_all_is_all(self):
        self.call("demo-catalogue", "--nparticles=5", "--ngalaxies=200", "-o", "crowd.hdf5")
        job = self.job("many", ("catalogue: catalogue.hdf5", "catalogue: crowd.hdf5"), text=PLAIN)
        self.assertRegex(self.call("check", job), r"census +of the 6[45] galaxies looked at that are well \(--all looks at all")
        self.assertRegex(self.call("check", "--all", job), r"census +of the 200 galaxies looked at that are well\n")

    def test_real_galaxies_have_no_such_warning(self):
        files = [SHARED / "data/catalogues/camels_tng_10gal.hdf5", SHARED / "golden/import/camels-tng/reference.hdf5",
                 SHARED / "golden/import/cutouts/tng.hdf5", SHARED / "golden/import/cutouts/eagle.hdf5"]
        grid = SHARED / "data/grids/bc03_byler17-ref_reduced.hdf5"
        if not grid.exists() or not all(file.exists() for file in files):
            self.skipTest(f"no real galaxies in {SHARED}")
        for file in files:
            job = self.job("real", ("catalogue: catalogue.hdf5", f"catalogue: {file}"), ("grid: grid.hdf5", f"grid: {grid}"),
                           text=JOB.replace("fov_arcsec: 4", "fov_arcsec: 40").replace("sampling: exact", "type: histogram")
                           .replace("  los_optical_depths: {{}}\n", "").replace("los", "0.5"))
            output = self.call("check", "--all", job)
            self.assertNotRegex(output, r"\d+ of \d+ galaxies: ", file)
            self.assertIn("census ", output)


if __name__ == "__main__":
    runner.main()
