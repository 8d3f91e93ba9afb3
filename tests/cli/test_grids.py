#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grids as people have them give the numbers of the plain one; `polyphony grid`; how lines are looked for."""

import h5py
import numpy as np

import runner
import small

TABLES = ("spectra/incident", "spectra/transmitted", "spectra/nebular", "spectra/linecont", "lines/luminosity",
          "lines/nebular_continuum", "lines/transmitted", "lines/incident", "lines/total_continuum")
# Linear in age and metallicity, no dust, one extract: a sum that numpy does too.
PLAIN = """\
catalogue: catalogue.hdf5
grid: grid.hdf5
output: {output}
threads: 1
emission: {{model: incident, fesc: 1.0}}
operations:
  sfzh: {{}}
  spectra: {{labels: [all]}}
progress: no
"""


def replace(file, path, value):
    """The same dataset with other numbers, and its attributes."""
    attributes = dict(file[path].attrs)
    del file[path]
    file[path] = value
    for name, text in attributes.items():
        file[path].attrs[name] = text


def arrange(file, turn):
    """Each table turned."""
    for path in TABLES:
        replace(file, path, turn(file[path][()], path.startswith("spectra/")))


def swap_axes(file):
    file.attrs["axes"] = ["metallicities", "ages"]
    arrange(file, lambda table, _: np.ascontiguousarray(table.swapaxes(0, 1)))


def descend(file):
    for axis in ("axes/ages", "axes/metallicities", "spectra/wavelength"):
        replace(file, axis, file[axis][()][::-1])
    arrange(file, lambda table, is_spectrum: table[::-1, ::-1, ::-1 if is_spectrum else 1])


def descend_and_swap_axes(file):
    descend(file)
    swap_axes(file)


def add_axis(place):
    def change(file):
        names = list(file.attrs["axes"])
        names.insert(place, "ionisation_parameters")
        file.attrs["axes"] = names
        file["axes/ionisation_parameters"] = [0.01]
        arrange(file, lambda table, _: np.expand_dims(table, place))
    return change


def take_units_away(file):
    for path in TABLES + ("axes/ages", "axes/metallicities", "spectra/wavelength", "lines/wavelength"):
        del file[path].attrs["Units"]


def take_logarithms(file):
    ages = file["axes/ages"][()]
    del file["axes/ages"]
    file["axes/log10ages"] = np.log10(ages)
    file["axes/log10ages"].attrs["Units"] = "dex(yr)"
    file.attrs["axes"] = ["log10ages", "metallicities"]


def group_lines(file):
    lines = {path: file[f"lines/{path}"][()] for path in ("id", "wavelength", "luminosity", "nebular_continuum", "transmitted")}
    del file["lines"]
    for i, name in enumerate(lines["id"]):
        group = file.create_group(f"lines/{name.decode()}")
        group.attrs["wavelength"] = lines["wavelength"][i]
        group["luminosity"] = lines["luminosity"][:, :, i]
        group["nebular_continuum"] = lines["nebular_continuum"][:, :, i]
        group["stellar_continuum"] = lines["transmitted"][:, :, i]


def pack(file):
    swap_axes(file)
    for path in TABLES:
        value, attributes = file[path][()], dict(file[path].attrs)
        del file[path]
        file.create_dataset(path, data=value.astype(">f8"), compression="gzip", shuffle=True)
        file[path].attrs.update(attributes)


class GridsTest(small.SmallTest):
    """One grid in many forms."""

    def expect_the_same(self, name, change, warning=None, ranks=None):
        self.spoil("grid.hdf5", f"{name}.grid.hdf5", change)
        output = self.call("run", self.job(name, ("grid.hdf5", f"{name}.grid.hdf5")), ranks=ranks)
        if warning is None:
            self.assertNotIn("warning", output)
        else:
            self.assertIn(warning, output)
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), runner.read_bytes(self.dir / "untouched.hdf5"), name)

    def test_axes_of_any_order_and_direction(self):
        self.expect_the_same("swapped", swap_axes)
        self.expect_the_same("descending", descend)
        self.expect_the_same("both", descend_and_swap_axes, ranks=3)
        self.expect_the_same("packed", pack, ranks=2)

    def test_a_third_axis_of_one_value(self):
        for place in range(3):
            self.expect_the_same(f"third{place}", add_axis(place))

    def test_grids_of_years_ago(self):
        self.expect_the_same("unitless", take_units_away, "'axes/ages' has no 'Units': taken as yr")
        self.expect_the_same("logarithms", take_logarithms)
        self.expect_the_same("groups", group_lines, "the old form, a group each", ranks=3)

    def test_a_third_axis_of_several_values_is_fixed_or_a_field(self):
        def change(file):
            add_axis(0)(file)
            replace(file, "axes/ionisation_parameters", [0.001, 0.1])
            arrange(file, lambda table, _: np.concatenate([table, table]))
        self.spoil("grid.hdf5", "several.grid.hdf5", change)
        self.expect_everywhere(small.INPUT, self.job("several", ("grid.hdf5", "several.grid.hdf5")),
                               "no dataset 'Stars/ionisation_parameters' or 'Galaxies/ionisation_parameters'",
                               "has 2 values of it, 0.001 to 0.1", "fix: {ionisation_parameters: 0.001}")
        self.expect_everywhere(small.USAGE, self.fixed("typo", "ionisation_parameter: 0.1"), "grid.fix",
                               "did you mean 'ionisation_parameters'?")
        self.expect_everywhere(small.USAGE, self.fixed("beyond", "ionisation_parameters: 0.2"),
                               "0.20000000000000001 is beyond the axis 'ionisation_parameters'")
        self.assertIn("fixed: ionisation_parameters 0.05, interpolated linearly between its nodes 0.001 and 0.1",
                      self.call("check", self.fixed("between", "ionisation_parameters: 0.05")))
        path = self.fixed("node", "ionisation_parameters: 0.1")  # whose tables are those without that axis
        self.assertIn("fixed: ionisation_parameters 0.1, a node", self.call("check", path))
        self.call("run", path, ranks=3)
        self.expect_same(runner.read_bytes(self.dir / "node.hdf5"), runner.read_bytes(self.dir / "untouched.hdf5"), "node")

    def fixed(self, name, fix):
        return self.job(name, ("grid: grid.hdf5", f"grid: {{file: several.grid.hdf5, fix: {{{fix}}}}}"))

    def test_ages_in_another_unit_than_they_say_are_refused(self):
        def change(file):
            file["axes/ages"][...] *= 1e-9
        self.spoil("grid.hdf5", "gyr.grid.hdf5", change)
        self.expect_everywhere(small.INPUT, self.job("gyr", ("grid.hdf5", "gyr.grid.hdf5")), "'axes/ages' ends at 100 yr",
                               "'Units'")

    def test_metallicity_zero_is_a_node_like_others_on_a_linear_axis(self):
        def change(file):
            replace(file, "axes/metallicities", [0.0, 0.01, 0.04])
            for axis in ("ages", "metallicities"):
                file[f"axes/{axis}"].attrs["log_on_read"] = axis == "ages"
        self.spoil("grid.hdf5", "zero.hdf5", change)
        self.call("run", self.job("linear", ("grid: grid.hdf5", "grid: zero.hdf5"), text=PLAIN))
        with h5py.File(self.dir / "catalogue.hdf5") as file:
            ages, metals = np.log10(file["Stars/ages"][()]), np.maximum(file["Stars/metallicities"][()], 1e-5)
            masses, n = file["Stars/initial_masses"][()], file["Stars/length"][()]
            self.assertTrue((file["Stars/ages"].attrs["Units"], file["Stars/initial_masses"].attrs["Units"]) == ("yr", "Msun"))
        with h5py.File(self.dir / "zero.hdf5") as file:
            nodes, incident = [np.log10(file["axes/ages"][()]), file["axes/metallicities"][()]], file["spectra/incident"][()]
        expected = np.zeros((len(n), *incident.shape[:2]))
        galaxy = np.repeat(np.arange(len(n)), n)
        place = [np.interp(x, node, np.arange(len(node))) for x, node in zip((ages, metals), nodes)]  # clamps
        lower = [np.minimum(p.astype(int), len(node) - 2) for p, node in zip(place, nodes)]
        part = [p - low for p, low in zip(place, lower)]
        for i in (0, 1):
            for j in (0, 1):
                share = np.abs(1 - i - part[0]) * np.abs(1 - j - part[1])
                np.add.at(expected, (galaxy, lower[0] + i, lower[1] + j), masses * share)
        with h5py.File(self.dir / "linear.hdf5") as file:
            sfzh, spectra = file["Galaxies/Stars/SFZH"][()], file["Galaxies/Stars/Spectra/SpectralLuminosityDensities/incident"][()]
        # Sums of 20 stars whose places were interpolated: some 1e-14 of the galaxy's mass, or light.
        np.testing.assert_allclose(sfzh, expected, rtol=0, atol=1e-13 * masses.sum())
        light = np.einsum("gij,ijk->gk", expected, incident)
        np.testing.assert_allclose(spectra, light, rtol=1e-12)

    def test_negative_light_is_warned_of_by_check_and_run(self):
        def change(file):
            file["spectra/transmitted"][2, 1, 150] = -1e20
        self.spoil("grid.hdf5", "negative.grid.hdf5", change)
        job = self.job("negative", ("grid.hdf5", "negative.grid.hdf5"))
        for command, ranks in (("check", None), ("run", 3)):
            self.assertIn("'spectra/transmitted' has 1 of 3600 values below 0, the lowest is -1e+20 at age 2, metallicity 1,"
                          " column 150", self.call(command, job, ranks=ranks))

    def test_logarithms_of_light_are_warned_of(self):
        def change(file):
            for path in ("spectra/incident", "lines/luminosity"):
                file[path][...] = np.log10(file[path][()] + 10)  # none below 0: that has its own warning
        self.spoil("grid.hdf5", "log_of_light.grid.hdf5", change)
        output = self.call("check", self.job("log_of_light", ("grid.hdf5", "log_of_light.grid.hdf5")))
        for path in ("spectra/incident", "lines/luminosity"):
            self.assertEqual(output.count(f"dataset '{path}' has values of"), 1, output)
        self.assertEqual(output.count("are these logarithms?"), 2, output)

    def test_a_line_that_is_not_there_is_looked_for(self):
        self.expect(small.USAGE, self.job("halpha", ("[all]}\nprogress", "[Halpha]}\nprogress")), "no line 'Halpha'",
                    "6562.8 in air", "did you mean 'H 1 6562.80A'? Near it are '", "'polyphony grid grid.hdf5 --lines'")
        self.expect(small.USAGE, self.job("parsnip", ("[all]}\nprogress", "[parsnip]}\nprogress")), "no line 'parsnip';")

    def test_the_grid_command_says_what_there_is(self):
        output = self.call("grid", "grid.hdf5")
        with h5py.File(self.dir / "grid.hdf5") as file:
            wavelength, lines = file["spectra/wavelength"][()], file["lines/wavelength"][()]
            median = np.sort(wavelength[:-1] / np.diff(wavelength))[(len(wavelength) - 1) // 2]
        for part in ("axis        ages: 4 values, 1e+06 to 1e+11, unit yr", "axis        metallicities: 3 values",
                     "interpolated in log10", f"wavelengths 300, {wavelength[0]:.6g} to {wavelength[-1]:.6g} angstrom, R = {median:.3g} ",
                     "spectrum    incident, unit erg/(Hz*s)", f"lines       {len(lines)}, {lines.min():.6g} to {lines.max():.6g} angstrom",
                     "pacman       can be made of this grid", "sps_name: polyphony-demo"):
            self.assertIn(part, output)
        self.assertNotIn("warning", output)

    def test_the_grid_command_lists_lines(self):
        for command in (("--lines", "halpha"), ("--lines=halpha",)):
            output = self.call("grid", "grid.hdf5", *command)
            self.assertEqual(output.splitlines()[1].split(), ["H", "1", "6562.80A", "6562.8", "angstrom"])
        self.assertEqual(self.call("grid", "--lines", "halpha", "grid.hdf5"), output)
        with h5py.File(self.dir / "grid.hdf5") as file:
            self.assertEqual(len(self.call("grid", "grid.hdf5", "--lines").splitlines()), len(file["lines/id"]))
        self.assertIn("is like 'parsnip'", self.call("grid", "grid.hdf5", "--lines=parsnip", expected=small.INPUT))

    def test_the_grid_command_of_stars_alone_says_which_models_need_more(self):
        def change(file):
            del file["lines"], file["CloudyParams"]
            for name in ("transmitted", "nebular", "linecont"):
                del file[f"spectra/{name}"]
            del file.attrs["WeightVariable"]
        self.spoil("grid.hdf5", "stars.hdf5", change)
        output = self.call("grid", "stars.hdf5")
        self.assertRegex(output, r"pacman +needs linecont, nebular_continuum, transmitted, which the grid has not")
        self.assertRegex(output, r"incident +can be made of this grid")
        self.assertIn("lines       none", output)
        self.assertIn("no 'WeightVariable'", output)
        self.assertIn("no lines", self.call("grid", "stars.hdf5", "--lines", expected=small.INPUT))
        self.expect(small.INPUT, self.job("stars", ("grid.hdf5", "stars.hdf5")), "no dataset 'spectra/",
                    "it has incident")

    def test_other_files_are_refused(self):
        def change(file):
            file.attrs["axes"] = ["masses", "spins"]
        self.spoil("grid.hdf5", "holes.hdf5", change)
        self.assertIn("grids of black holes", self.call("grid", "holes.hdf5", expected=small.INPUT))
        self.assertIn("not a stellar population grid", self.call("grid", "catalogue.hdf5", expected=small.INPUT))
        self.assertIn("No such file", self.call("grid", "nothing.hdf5", expected=small.INPUT))
        self.call("grid", expected=small.USAGE)
        self.call("grid", "grid.hdf5", "other", expected=small.USAGE)


if __name__ == "__main__":
    runner.main()
