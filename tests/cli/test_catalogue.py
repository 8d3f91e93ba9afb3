#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogues as people have them: the same numbers, to the bit, as from the plainest form of the same catalogue."""

import json
import shutil

import h5py
import numpy as np

import runner

USAGE, INPUT, ASIDE = 2, 3, 1
N_GALAXY = 14
COMPONENTS = ("Stars", "Gas", "BlackHoles")
# What a model without places is good for.
PLAIN_JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: {threads}
emission: {{model: pacman, tau_v: tau_v, fesc: fesc}}
instruments: [{{label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}}]
operations: {{sfzh: {{}}, sfh: {{}}, spectra: {{}}, observed_spectra: {{}}, photometry_luminosities: {{}},
  photometry_fluxes: {{}}, lines: {{}}, observed_lines: {{}}}}
progress: no
"""


def vary(file):
    """Galaxies of different sizes, redshifts and dust; the fourth has nothing at all."""
    for component, n in (("Stars", 60), ("Gas", 12), ("BlackHoles", 1)):
        file[f"{component}/length"][...] = np.maximum(n - np.arange(N_GALAXY) * n // 20, 0)
        file[f"{component}/length"][3] = 0
    file["Gas/smoothing_lengths"][...] *= 40
    file["Gas/masses"][...] *= 6e5
    file["Galaxies/redshift"][...] = 0.5 + np.arange(N_GALAXY) // 2


def rewrite(file, path, data):
    """A dataset with other data, of whatever shape and type; its attributes stay."""
    attributes = dict(file[path].attrs)
    del file[path]
    file[path] = data
    file[path].attrs.update(attributes)


def move_particles(file, seed):
    """Particles of each galaxy to somewhere else in the file, with gaps between, in an order of each component's own;
    empty galaxies get offsets of all kinds."""
    random = np.random.default_rng(seed)
    for component in COMPONENTS:
        group = file[component]
        offset, length = group["offset"][()], group["length"][()]
        order = random.permutation(N_GALAXY)
        gap = random.integers(0, 5, N_GALAXY)
        n_all = int(length.sum() + gap.sum())
        new = np.zeros(N_GALAXY, np.int64)
        end = 0
        for row, before in zip(order, gap):
            new[row] = end + before
            end = new[row] + length[row]
        for name, item in list(group.items()):
            if name in ("offset", "length"):
                continue
            data = np.full((n_all,) + item.shape[1:], np.nan)  # what belongs to nobody is never looked at
            for row in range(N_GALAXY):
                data[new[row]:new[row] + length[row]] = item[offset[row]:offset[row] + length[row]]
            rewrite(file, f"{component}/{name}", data)
        new[length == 0] = random.choice([-1, 10**12, n_all, n_all + 1], (length == 0).sum())
        rewrite(file, f"{component}/offset", new)


class CatalogueTest(runner.ProgramTest):
    """One catalogue, of which each test makes another form."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.call("demo-catalogue", "-g", N_GALAXY, "-n", 60, "-o", "catalogue.hdf5")
        with h5py.File(cls.dir / "catalogue.hdf5", "r+") as file:
            vary(file)
        cls.call("run", cls.write_job("reference"))
        cls.call("run", cls.write_job("plain", PLAIN_JOB))

    def make(self, name, change, source="catalogue.hdf5"):
        """A copy of the catalogue, changed by change(file)."""
        shutil.copy(self.dir / source, self.dir / f"{name}_in.hdf5")
        with h5py.File(self.dir / f"{name}_in.hdf5", "r+") as file:
            change(file)
        return f"{name}_in.hdf5"

    def run_on(self, ranks, name, catalogue, expected=0, text=runner.JOB):
        """Results on so many ranks, verified; the path."""
        self.call("run", self.write_job(f"{name}_{ranks}", text, catalogue=catalogue), ranks=ranks, expected=expected)
        self.call("verify", f"{name}_{ranks}.hdf5")
        return self.dir / f"{name}_{ranks}.hdf5"

    def run_both(self, name, catalogue, **options):
        """Results on one rank and on three; the paths."""
        return [self.run_on(ranks, name, catalogue, **options) for ranks in (1, 3)]

    def expect_reference(self, paths, reference="reference"):
        """All of it the same to the bit."""
        for path in paths:
            self.expect_same(runner.read_bytes(path), runner.read_bytes(self.dir / f"{reference}.hdf5"), path.name)

    def expect_galaxies(self, path, rows=range(N_GALAXY)):
        """Row i of this file is row rows[i] of the reference, whatever the place of its particles."""
        n_compared = 0
        with h5py.File(self.dir / "reference.hdf5") as reference, h5py.File(path) as file:
            for name in runner.read_bytes(self.dir / "reference.hdf5"):
                if not name.startswith("Galaxies/") or name.endswith(("Particles", "FirstParticle")):
                    continue
                self.assertEqual(file[name][()].tobytes(), reference[name][()][list(rows)].tobytes(), name)
                n_compared += 1
            for component, count in (("Stars", "NStars"), ("BlackHoles", "NBlackHoles")):
                where = f"Galaxies/{component}/OpticalDepths"
                tau, first = file[f"{where}/Particles"][()], file[f"{where}/FirstParticle"][()]
                expected, begin = reference[f"{where}/Particles"][()], reference[f"{where}/FirstParticle"][()]
                for row, n in enumerate(file[f"Galaxies/{count}"][()]):
                    old = begin[rows[row]]
                    self.assertLessEqual(first[row] + n, len(tau))
                    self.assertEqual(tau[first[row]:first[row] + n].tobytes(), expected[old:old + n].tobytes())
            self.assertTrue((file["Run/Ledger"]["checksum"] == reference["Run/Ledger"]["checksum"][list(rows)]).all())
        self.assertGreater(n_compared, 100)

    # ---- slices --------------------------------------------------------------------------------

    def test_particles_may_lie_in_any_order(self):
        for seed in (1, 2):
            catalogue = self.make(f"moved{seed}", lambda file, seed=seed: move_particles(file, seed))
            for path in self.run_both(f"moved{seed}", catalogue):
                self.expect_galaxies(path)

    def test_nowhere_may_be_written_in_other_ways(self):
        for name, kind, nowhere in (("unsigned", np.uint64, 2**64 - 1), ("float", np.float64, np.nan)):
            def change(file, kind=kind, nowhere=nowhere):
                for component in COMPONENTS:
                    offset = file[component]["offset"][()].astype(kind)
                    offset[file[component]["length"][()] == 0] = nowhere
                    rewrite(file, f"{component}/offset", offset)
            self.expect_galaxies(self.run_on(1, f"nowhere_{name}", self.make(f"nowhere_{name}", change)))

    def test_galaxies_may_be_sorted_and_their_particles_not(self):
        rows = np.random.default_rng(3).permutation(N_GALAXY)

        def change(file):
            for path in [f"Galaxies/{name}" for name in file["Galaxies"]] + \
                        [f"{component}/{name}" for component in COMPONENTS for name in ("offset", "length")]:
                rewrite(file, path, file[path][()][rows])
        for path in self.run_both("sorted", self.make("sorted", change)):
            self.expect_galaxies(path, rows)

    def test_what_slices_must_not_be(self):
        def overlapping(file):
            file["Gas/offset"][5] = file["Gas/offset"][9] + 2
        def negative(file):
            file["Stars/length"][6] = -4
        def unsigned(file):
            offset = file["Stars/offset"][()].astype(np.uint64)
            offset[2] = 2**63 + 5
            rewrite(file, "Stars/offset", offset)
        for name, change, parts in (
                ("overlap", overlapping, ("'Gas' rows 9 (galaxy 9: offset 108, length", "5 (galaxy 5: offset 110",
                                          "overlap")),
                ("negative", negative, ("'Stars' row 6 (galaxy 6)", "length -4", "negative")),
                ("unsigned", unsigned, ("'Stars' row 2 (galaxy 2)", "offset -1", "negative"))):
            job = self.write_job(name, catalogue=self.make(name, change))
            for command, ranks in (("check", None), ("run", 3)):
                output = self.call(command, job, ranks=ranks, expected=INPUT)
                for part in parts:
                    self.assertIn(part, output)

    # ---- shapes and types ----------------------------------------------------------------------

    def test_columns_are_lists(self):
        def change(file):
            for group in ("Galaxies", *COMPONENTS):
                for name, item in list(file[group].items()):
                    if item.ndim == 1:
                        rewrite(file, f"{group}/{name}", item[()][:, np.newaxis])
        self.expect_reference(self.run_both("columns", self.make("columns", change)))

    def test_transposed_coordinates_are_refused(self):
        def change(file):
            rewrite(file, "Stars/coordinates", file["Stars/coordinates"][()].T)
        job = self.write_job("transposed", catalogue=self.make("transposed", change))
        self.assertIn("transposed", self.call("check", job, expected=INPUT))

    def test_format_and_version_may_be_written_in_other_ways(self):
        for name, version, kind in (("text", "1", "polyphony-catalogue"), ("float", 1.0, np.bytes_("polyphony-catalogue")),
                                    ("bytes", np.bytes_("1"), "polyphony-catalogue"), ("list", [1], "polyphony-catalogue"),
                                    ("byte", np.uint8(1), np.bytes_("polyphony-catalogue"))):
            def change(file, version=version, kind=kind):
                file.attrs["version"], file.attrs["format"] = version, kind
            self.call("check", self.write_job(name, catalogue=self.make(name, change)))
        for name, version, part in (("two", "2", "version 2"), ("half", 1.5, "version 1.5"), ("word", "one", "'one'")):
            def change(file, version=version):
                file.attrs["version"] = version
            job = self.write_job(name, catalogue=self.make(name, change))
            self.assertIn(part, self.call("check", job, expected=INPUT))

    def test_ids_that_are_text_are_refused(self):
        def change(file):
            rewrite(file, "Galaxies/id", [f"g{i}" for i in range(N_GALAXY)])
        output = self.call("check", self.write_job("text_ids", catalogue=self.make("text_ids", change)), expected=INPUT)
        self.assertIn("'Galaxies/id' is text; numbers are expected", output)

    # ---- nothing -------------------------------------------------------------------------------

    def test_no_galaxies_at_all_are_a_result(self):
        def change(file):
            for group in ("Galaxies", *COMPONENTS):
                for name, item in list(file[group].items()):
                    rewrite(file, f"{group}/{name}", item[:0] if name != "coordinates" else item[:4])
            for component in COMPONENTS:  # particles of nobody
                n = 4 if "coordinates" in file[component] else 0
                for name, item in list(file[component].items()):
                    if name not in ("offset", "length"):
                        rewrite(file, f"{component}/{name}", np.ones((n,) + item.shape[1:]))
        catalogue = self.make("none", change)
        for path in self.run_both("none", catalogue):
            with h5py.File(path) as file, h5py.File(self.dir / "reference.hdf5") as reference:
                def compare(name, item, file=file):
                    if isinstance(item, h5py.Dataset) and item.shape[:1] == (N_GALAXY,) and "Particles" not in name:
                        self.assertEqual(file[name].shape, (0,) + item.shape[1:], name)
                        self.assertEqual((file[name].dtype, len(file[name][()])), (item.dtype, 0), name)
                reference.visititems(compare)
                self.assertEqual(len(file["Galaxies/Stars/OpticalDepths/Particles"]), 4)
        self.assertIn("0 galaxies done, 0 set aside", self.call("run", "none_3.yaml", ranks=3))
        self.assertIn("0 galaxies looked at", self.call("run", "--repair", "none_3.yaml"))
        self.assertIn("no galaxies", self.call("simulate", "none_3.yaml"))
        self.assertIn(": 0 galaxies,", self.call("check", "none_3.yaml"))
        self.assertIn("0 done, 0 set aside, 0 left", self.call("status", "none_3.hdf5"))
        self.call("run", "--overwrite", "none_3.yaml")

    def test_a_field_in_kpc_of_no_galaxies_has_no_pixels(self):
        def change(file):
            for name in [f"Galaxies/{name}" for name in file["Galaxies"]] + \
                        [f"{component}/{name}" for component in COMPONENTS for name in ("offset", "length")]:
                rewrite(file, name, file[name][:0])
        catalogue = self.make("no_field", change)
        text = runner.JOB.replace("fov_arcsec: 2", "fov_kpc: 20")
        path = self.run_on(1, "no_field", catalogue, text=text)
        image = "Galaxies/Stars/Images/Flux/wide/emergent/JWST/NIRCam.F200W"
        with h5py.File(path) as file:
            self.assertEqual(file[image].shape, (0, 0, 0))
        path = self.run_on(1, "known_field", catalogue, text=text + "redshift: 1\n")
        self.call("run", self.write_job("field", text + "redshift: 1\n"))
        with h5py.File(path) as file, h5py.File(self.dir / "field.hdf5") as reference:
            self.assertEqual(file[image].shape[1:], reference[image].shape[1:])

    def test_galaxies_without_any_stars_are_dark(self):
        def change(file):
            file["Stars/length"][...] = 0
            for name, item in list(file["Stars"].items()):
                if name not in ("offset", "length"):
                    rewrite(file, f"Stars/{name}", item[:0])
        with h5py.File(self.run_on(3, "dark", self.make("dark", change))) as file:
            self.assertTrue((file["Run/Ledger"]["status"] == 1).all())
            self.assertEqual(np.abs(file["Galaxies/Stars/Spectra/SpectralFluxDensities/emergent"][()]).max(), 0)
            self.assertGreater(file["Galaxies/NGas"][0], 0)

    # ---- what is needed ------------------------------------------------------------------------

    def test_a_model_without_places_has_spectra_and_photometry(self):
        def no_places(file):
            for component in COMPONENTS:
                del file[f"{component}/coordinates"], file[f"{component}/smoothing_lengths"]
        def little(file):
            del file["Gas"], file["BlackHoles"]
            for name in list(file["Stars"]):
                if name not in ("offset", "length", "initial_masses", "ages", "metallicities"):
                    del file[f"Stars/{name}"]
        self.expect_reference(self.run_both("places", self.make("places", lambda file: file["Stars"].pop("coordinates")),
                                            text=PLAIN_JOB), "plain")
        for name, change in (("no_places", no_places), ("little", little)):
            got = runner.read_bytes(self.run_on(1, name, self.make(name, change), text=PLAIN_JOB))
            expected = runner.read_bytes(self.dir / "plain.hdf5")
            for dataset in expected:
                if dataset not in ("Galaxies/NGas", "Galaxies/NBlackHoles", "checksum in Run/Ledger"):
                    self.assertEqual(got[dataset], expected[dataset], dataset)

    def test_who_needs_places_says_so(self):
        for component in COMPONENTS:
            catalogue = self.make("needed", lambda file, component=component: file[component].pop("coordinates"))
            output = self.call("check", self.write_job("needed", catalogue=catalogue), expected=INPUT)
            self.assertIn(f"no dataset '{component}/coordinates'; operation 'los_optical_depths' needs it", output)
        catalogue = self.make("needed", lambda file: file["Stars"].pop("coordinates"))
        images = PLAIN_JOB.replace("operations: {{", "operations: {{images_flux: {{labels: [emergent], fov_arcsec: 2}}, ")
        output = self.call("check", self.write_job("images", images, catalogue=catalogue), expected=INPUT)
        self.assertIn("'Stars/coordinates'; operation 'images_flux' needs it", output)

    def test_a_centre_without_images_is_not_looked_at(self):
        def change(file):
            file["Galaxies/centre"] = np.full((N_GALAXY, 3), np.nan)
            file["Galaxies/centre"].attrs["Units"] = "kpc"
        self.expect_reference([self.run_on(1, "centre", self.make("centre", change), text=PLAIN_JOB)], "plain")

    # ---- rounding ------------------------------------------------------------------------------

    ROUNDED = {"Stars/ages": -1e-3, "Stars/metallicities": -1e-12, "Gas/metallicities": -1e-9,
               "Gas/masses": -1e-8}

    def spoil_values(self, values):
        """A change of the third particle of these datasets."""
        def change(file):
            for path, value in values.items():
                file[path][2] = value
        return change

    def test_what_rounding_takes_below_zero_is_zero_and_said(self):
        zeros = self.make("zeros", self.spoil_values(dict.fromkeys(self.ROUNDED, 0.0)))
        below = self.make("below", self.spoil_values(self.ROUNDED))
        said = f"{len(self.ROUNDED)} values of 1 galaxies"
        self.call("run", self.write_job("zeros", catalogue=zeros))
        self.expect_reference(self.run_both("below", below), "zeros")
        for command, target in (("check", "below_3.yaml"), ("run", "below_3.yaml"), ("status", "below_3.hdf5")):
            output = self.call(command, target)
            self.assertIn(said, output)
            self.assertIn("taken as 0", output)
        status = json.loads(self.call("status", "--json", "below_1.hdf5"))
        self.assertEqual((status["n_rounded"], status["n_rounded_galaxies"]), (len(self.ROUNDED), 1))
        with h5py.File(self.dir / "below_3.hdf5") as file:
            self.assertEqual(file["Run/Ledger"]["n_rounded"].tolist(), [len(self.ROUNDED)] + [0] * (N_GALAXY - 1))
        self.assertNotIn("taken as 0", self.call("status", "zeros.hdf5"))

    def test_float32_differences_of_cosmic_times_are_ages(self):
        # Stars of the last step: the time of the snapshot less their own, each in Gyr and rounded to float32.
        def change(file):
            born = np.float32(np.nextafter(np.float32(13.79), np.float32(20)))
            file["Stars/ages"][5] = np.float64(np.float32(13.79) - born) * 1e9
            self.assertLess(file["Stars/ages"][5], -900)
        with h5py.File(self.run_on(1, "difference", self.make("difference", change))) as file:
            self.assertEqual(file["Run/Ledger"]["n_rounded"][0], 1)

    def test_what_no_rounding_does_costs_the_galaxy_and_check_sees_it(self):
        for name, path, value in (("age", "Stars/ages", -2e3), ("metallicity", "Stars/metallicities", -1e-3),
                                  ("gas", "Gas/metallicities", -1e-3)):
            catalogue = self.make(name, self.spoil_values({path: value}))
            self.run_on(1, name, catalogue, expected=ASIDE)
            output = self.call("check", f"{name}_1.yaml")
            self.assertIn("would be set aside", output)
            self.assertIn(f"'{path}' particle 2 is {value:g}, must be >= 0", output)

    # ---- a look before the run -----------------------------------------------------------------

    def test_check_looks_at_the_first_the_last_and_the_costliest(self):
        self.assertIn(f"{N_GALAXY} of {N_GALAXY} galaxies", self.call("check", "reference.yaml"))
        self.call("demo-catalogue", "-g", 1000, "-n", 50, "-o", "thousand.hdf5")

        def change(file):
            length = file["Stars/length"][()]
            length[:] = 5
            length[601] = 50
            file["Stars/length"][...] = length
            for row in (0, 601, 999):
                file["Stars/ages"][int(file["Stars/offset"][row])] = np.nan
            file["Galaxies/fesc"][0] = 0.5
        catalogue = self.make("many", change, "thousand.hdf5")
        output = self.call("check", self.write_job("many", PLAIN_JOB, catalogue=catalogue))
        for row in (0, 601, 999):
            self.assertIn(f"galaxy {row}: dataset 'Stars/ages' particle 0 is nan", output)
        self.assertIn("looked at   65 of 1000 galaxies", output)

    def test_check_sees_parameters_out_of_bounds(self):
        def change(file):
            file["Galaxies/fesc"][4] = 1.5
        catalogue = self.make("fesc", change)
        output = self.call("check", self.write_job("fesc", PLAIN_JOB, catalogue=catalogue))
        self.assertIn("would be set aside: galaxy 4: model parameter 'fesc' (fesc) in row 4 is 1.5", output)


if __name__ == "__main__":
    runner.main()
