#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`polyphony catalogue`: what it lists, against numpy."""

import h5py
import numpy as np

import runner
from small import INPUT, USAGE, SmallTest


class ContentsTest(SmallTest):
    """A catalogue, changed in one thing or another."""

    def rows(self, output):
        """The table: dataset -> the words beside it."""
        table = output.split("\n\n")[0].splitlines()[1:]
        return {line.split()[0]: line for line in table}

    def listed(self, name, change, expected=0):
        output = self.call("catalogue", self.spoil("catalogue.hdf5", name, change), expected=expected)
        return output, self.rows(output)

    def test_datasets_are_listed_with_units_and_ranges(self):
        def change(file):
            file["Stars/ages"][...] = file["Stars/ages"][()] / 1e6
            file["Stars/ages"].attrs["Units"] = "megayear"
        output, rows = self.listed("ages.hdf5", change)
        self.assertIn("ages.hdf5: 3 galaxies, 60 stars, 12 gas, 3 black holes", output)
        with h5py.File(self.dir / "ages.hdf5") as file:
            for path, factor in (("Stars/ages", 1e6), ("Stars/initial_masses", 1), ("Gas/coordinates", 1)):
                values = file[path][()] * factor
                for value in (values.min(), np.median(values), values.max()):
                    self.assertIn(f" {value:.5g} ", rows[path])
        self.assertIn("megayear", rows["Stars/ages"])
        self.assertIn("yr (x 1e+06)", rows["Stars/ages"])
        self.assertIn("60 x 3", rows["Stars/coordinates"])
        self.assertIn("parameter", rows["Galaxies/tau_v"])
        self.assertIn("not used", rows["Gas/velocities"])
        self.assertIn("emission {tau_v: tau_v}", output)
        self.assertIn("redshift    1 of all galaxies", output)
        self.assertNotIn("warning", output)

    def test_a_light_cone_needs_fields_in_arcsec(self):
        def change(file):
            file["Galaxies/redshift"][...] = [0.0, 1.5, 3.0]
        output, _ = self.listed("cone.hdf5", change)
        self.assertIn("redshift    0 to 3: images need fields in arcsec", output)

    def test_comoving_units_and_their_frame(self):
        def change(file):
            file["Stars/coordinates"].attrs["Units"] = "ckpc/h"
            file.attrs.update(h=0.5, Redshift=1.0)
        output, rows = self.listed("comoving.hdf5", change)
        self.assertIn("a = 0.5, for comoving units", output)
        self.assertIn("h = 0.5, for units with h", output)
        self.assertIn("ckpc/h", rows["Stars/coordinates"])

    def test_what_is_missing_and_for_what(self):
        def change(file):
            del file["Stars/smoothing_lengths"], file["Gas"], file["BlackHoles"], file["Galaxies/redshift"]
        output, _ = self.listed("missing.hdf5", change)
        for part in ("missing     Stars/smoothing_lengths: images need 'type: histogram'",
                     "missing     Gas: optical depths from the line of sight are 0",
                     "observed quantities need 'redshift' in the job", "0 gas, 0 black holes"):
            self.assertIn(part, output)

    def test_doubts_are_warnings(self):
        def change(file):
            file["Stars/metallicities"][...] = np.linspace(0.1, 3, 60)
            file["Stars/ages"].attrs["Units"] = "Myr"
            file["Galaxies/redshift"][...] = [2.2e-16, 1, 2]
            file["Galaxies/tau_v"][1] = np.nan
        output, rows = self.listed("doubts.hdf5", change)
        for part in ("'Stars/metallicities': the largest of 60 particles looked at is 3, much for a mass fraction",
                     "older than the universe: are they in yr already", "is a rounding of 0",
                     "'Galaxies/tau_v' has 1 values that are not finite"):
            self.assertEqual(output.count(part), 1, output)
        self.assertIn(" 0.5 ", rows["Galaxies/tau_v"])

    def test_what_a_job_cannot_read_is_an_error_beside_the_list(self):
        def change(file):
            file["Stars/ages"].attrs["Units"] = "kpc"
            file["Gas/masses"].attrs["Units"] = "furlong"
            file["Gas/note"] = "text"
            file["Gas/smoothing_lengths"].attrs["Units"] = 5
            file["Stars/cube"] = np.zeros((2, 2, 2))
            file["Stars/empty"] = np.zeros(0)
        output, rows = self.listed("wrong.hdf5", change, expected=INPUT)
        self.assertEqual(output.count("'kpc' is a length, expected a time"), 1)
        self.assertEqual(output.count("unknown unit 'furlong'"), 1)
        self.assertIn("cannot be read, see below", rows["Stars/ages"])
        self.assertRegex(rows["Gas/smoothing_lengths"], r"^\S+ +12 +- +[0-9]")  # no unit, nor what lies in memory
        self.assertIn("kpc", rows["Stars/coordinates"])
        self.assertIn("2 x 2 x 2", rows["Stars/cube"])

    def test_what_is_no_catalogue_is_refused(self):
        self.assertIn("not a galaxy catalogue", self.call("catalogue", "grid.hdf5", expected=INPUT))
        self.assertIn("No such file", self.call("catalogue", "none.hdf5", expected=INPUT))
        self.call("catalogue", expected=USAGE)
        self.assertIn("Exit codes", self.call("catalogue", "--help"))

    def test_of_large_datasets_a_sample_is_looked_at(self):
        n = 600_000
        path = self.dir / "large.hdf5"
        with h5py.File(path, "w") as file, h5py.File(self.dir / "catalogue.hdf5") as small:
            file.attrs.update(small.attrs)
            for name, values, unit in (("Stars/offset", [0], ""), ("Stars/length", [n], ""),
                                       ("Stars/initial_masses", np.arange(n, dtype=np.float32), "Msun"),
                                       ("Stars/ages", np.full(n, 1e8), "yr"),
                                       ("Stars/metallicities", np.full(n, 0.01), ""),
                                       ("Stars/coordinates", np.zeros((n, 3), np.float32), "kpc")):
                file[name] = np.asarray(values)
                file[name].attrs["Units"] = unit
        output = self.call("catalogue", "large.hdf5")
        self.assertIn("more than 262144 rows are of a sample", output)
        low, median, high = (float(word) for word in self.rows(output)["Stars/initial_masses"].split()[3:6])
        self.assertEqual((low, high), (0, float(f"{n - 1:.5g}")))
        # The sample is even: within a block, 4096 rows, of the middle.
        self.assertLess(abs(median - n / 2), 4096)
        path.unlink()


if __name__ == "__main__":
    runner.main()
