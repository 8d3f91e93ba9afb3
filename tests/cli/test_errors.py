#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every documented error, provoked: exit code and message, within seconds, on one rank and on three."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np

import runner
from small import ASIDE, INPUT, OUTPUT, USAGE, SmallTest


class ErrorTest(SmallTest):
    """One error a test."""

    # ---- files ---------------------------------------------------------------------------------

    def test_missing_files_are_named(self):
        self.expect_everywhere(INPUT, self.job("no_catalogue", ("catalogue.hdf5", "none.hdf5")), "'none.hdf5'",
                               "No such file")
        self.expect(INPUT, self.job("no_grid", ("grid: grid.hdf5", "grid: none.hdf5")), "'none.hdf5'", "No such file")
        self.expect(INPUT, self.job("no_filter", ("builtin: JWST/NIRCam.Wide",
                                                  "filters: [{code: A.B, file: none.txt}]")),
                    "'A.B'", "'none.txt'", "No such file")
        self.expect(USAGE, "none.yaml", "none.yaml", "No such file")

    def test_truncated_files_are_refused(self):
        for kind in ("catalogue", "grid"):
            name = f"cut_{kind}.hdf5"
            shutil.copy(self.dir / f"{kind}.hdf5", self.dir / name)
            os.truncate(self.dir / name, (self.dir / name).stat().st_size // 2)
            job = self.job(f"truncated_{kind}", (f"{kind}.hdf5", name))
            self.expect_everywhere(INPUT, job, f"'{name}'", "truncated")

    def test_a_wrong_unit_is_named(self):
        name = self.spoil("catalogue.hdf5", "unit.hdf5", lambda f: f["Stars/ages"].attrs.modify("Units", "kpc"))
        job = self.job("wrong_unit", ("catalogue.hdf5", name))
        self.expect_everywhere(INPUT, job, "'unit.hdf5'", "'Stars/ages'", "'kpc'", "expected a time")
        name = self.spoil("catalogue.hdf5", "unitless.hdf5", lambda f: f["Stars/ages"].attrs.pop("Units"))
        self.expect(INPUT, self.job("no_unit", ("catalogue.hdf5", name)), "'Stars/ages'", "no 'Units'")
        name = self.spoil("grid.hdf5", "grid_unit.hdf5", lambda f: f["axes/ages"].attrs.modify("Units", "kpc"))
        self.expect(INPUT, self.job("grid_unit_job", ("grid: grid.hdf5", f"grid: {name}")), "'axes/ages'", "'kpc'")

    def test_an_offset_past_the_end_is_refused(self):
        def change(file):
            file["Stars/offset"][2] = 55
        name = self.spoil("catalogue.hdf5", "offset.hdf5", change)
        job = self.job("past_the_end", ("catalogue.hdf5", name))
        self.expect_everywhere(INPUT, job, "'offset.hdf5'", "'Stars' row 2", "offset 55, length 20", "there are 60")

    def test_a_missing_parameter_is_named_with_the_nearest(self):
        job = self.job("parameter", ("tau_v: tau_v", "tau_v: tau_w"))
        self.expect(INPUT, job, "'catalogue.hdf5'", "'tau_w'", "did you mean 'tau_v'?")

    def test_a_filter_outside_the_grid_is_refused(self):
        (self.dir / "far.txt").write_text("# wavelength [angstrom]\n1e9 0\n2e9 1\n3e9 0\n", encoding="utf-8")
        job = self.job("far", ("builtin: JWST/NIRCam.Wide", "filters: [{code: Far.Out, file: far.txt}]"))
        self.expect_everywhere(INPUT, job, "'Far.Out'", "outside the grid 'grid.hdf5'", "1e+09 to 3e+09", "leave the filter out")

    def test_a_broken_filter_file_is_named_with_its_line(self):
        (self.dir / "broken.txt").write_text("# c\n5000 0\n4000 1\n4500 0\n", encoding="utf-8")
        job = self.job("broken", ("builtin: JWST/NIRCam.Wide", "filters: [{code: A.B, file: broken.txt}]"))
        self.expect(INPUT, job, "'broken.txt' line 4", "4500 follows 4000")

    # ---- one bad galaxy ------------------------------------------------------------------------

    def check_set_aside(self, name, change, dataset, value, bound, ranks=None):
        """Galaxy in row 1 is set aside with its reason, its values are NaN; the others are as in the untouched run."""
        job = self.job(name, ("catalogue.hdf5", self.spoil("catalogue.hdf5", f"{name}_in.hdf5", change)))
        self.assertIn("would be set aside", self.call("check", job))
        with h5py.File(self.dir / f"{name}_in.hdf5") as file:
            galaxy = f"galaxy {file['Galaxies/id'][1]}"
        output = self.call("run", job, ranks=ranks, expected=ASIDE)
        self.assertIn("1 set aside", output)
        status = self.call("status", f"{name}.hdf5", expected=ASIDE)
        for part in ("2 done, 1 set aside, 0 left", galaxy, "row 1", dataset, value, bound):
            self.assertIn(part, status)
        with h5py.File(self.dir / f"{name}.hdf5") as got, h5py.File(self.dir / "untouched.hdf5") as untouched:
            n_compared = self.compare_rows(got["Galaxies"], untouched["Galaxies"])
        self.assertGreater(n_compared, 40)  # eleven labels of spectra, fluxes and lines
        self.call("run", job, ranks=ranks, expected=ASIDE)  # again: still known, nothing left to do

    def compare_rows(self, got, untouched):
        """Rows 0 and 2 to the bit; row 1 of floating-point data all NaN. The number of such datasets."""
        n_compared = 0

        def compare(name, item):
            nonlocal n_compared
            if not isinstance(item, h5py.Dataset) or item.shape[0] != 3:
                return
            for row in (0, 2):
                self.assertEqual(got[name][row].tobytes(), item[row].tobytes(), f"{name} row {row}")
            if item.dtype.kind == "f" and name != "Redshift":
                self.assertTrue(np.isnan(got[name][1]).all(), f"{name}: row 1 is not NaN")
                n_compared += 1
        untouched.visititems(compare)
        return n_compared

    def test_a_nan_age_costs_one_galaxy(self):
        def change(file):
            file["Stars/ages"][25] = np.nan
        self.check_set_aside("nan_alone", change, "'Stars/ages' particle 5", "nan", "must be >= 0 and finite")
        self.check_set_aside("nan_three", change, "'Stars/ages' particle 5", "nan", "must be >= 0 and finite", ranks=3)

    def test_a_negative_mass_costs_one_galaxy(self):
        def change(file):
            file["Stars/initial_masses"][20] = -4.5
        self.check_set_aside("mass", change, "'Stars/initial_masses' particle 0", "-4.5", ">= 0", ranks=3)

    def test_an_absurd_redshift_costs_one_galaxy(self):
        def change(file):
            file["Galaxies/redshift"][1] = 1e100
        self.check_set_aside("far_away", change, "'Galaxies/redshift' row 1", "1e+100", "must be >= 0 and <= 1000")

    def test_a_negative_redshift_that_is_no_rounding_costs_one_galaxy(self):
        def change(file):
            file["Galaxies/redshift"][1] = -1e-7
        self.check_set_aside("too_near", change, "'Galaxies/redshift' row 1", "-1e-07", "must be >= 0 and <= 1000")

    def test_a_nan_parameter_costs_one_galaxy(self):
        def change(file):
            file["Galaxies/tau_v"][1] = np.nan
        self.check_set_aside("tau", change, "'Galaxies/tau_v' row 1", "nan", "must be finite")

    def test_stars_of_age_zero_are_observed(self):
        def change(file):
            file["Stars/ages"][20:40] = 0
        self.spoil("catalogue.hdf5", "newborn_in.hdf5", change)
        self.call("run", self.job("newborn", ("catalogue.hdf5", "newborn_in.hdf5")), ranks=3)
        with h5py.File(self.dir / "newborn.hdf5") as file:
            sfzh = file["Galaxies/Stars/SFZH"][1]
        self.assertGreater(sfzh[0].sum(), 0)
        self.assertEqual(sfzh[1:].sum(), 0)  # all of it in the youngest of the grid

    # ---- the job -------------------------------------------------------------------------------

    def test_unknown_keys_are_named_with_line_and_nearest(self):
        job = self.job("key", ("  tau_v: tau_v", "  tau_w: tau_v"))
        self.expect_everywhere(USAGE, job, "key.yaml:7", "unknown key 'tau_w'", "tau_v")

    def test_wrong_types_are_named_with_line(self):
        self.expect(USAGE, self.job("type", ("threads: 1", "threads: many")), "type.yaml:4", "threads", "'many'",
                    "integer")
        self.expect(USAGE, self.job("list", ("[all]", "all")), "list.yaml:15", "labels", "a list")
        self.expect(USAGE, self.job("yaml", ("emission:", "emission: [")), "yaml.yaml:", "not YAML")

    def test_unknown_names_are_refused_with_line(self):
        images = ("  lines: {ids: [all]}\n",
                  "  images_flux: {labels: [intrinsic], fov_arcsec: 3, kernel: KERNEL}\n")
        for name, changes, parts in (
                ("label", [("labels: [all]", "labels: [intrinsik]")], ["label.yaml:15", "'intrinsik'", "intrinsic"]),
                ("line", [("ids: [all]", "ids: ['H 9 12A']")], ["line.yaml:18", "'H 9 12A'"]),
                ("model", [("pacman", "packman")], ["model.yaml:6", "'packman'", "pacman"]),
                ("kernel", [images, ("KERNEL", "cubik")], ["kernel.yaml:18", "'cubik'", "cubic"]),
                ("builtin", [("NIRCam.Wide", "NIRCam.Broad")], ["builtin.yaml:11", "'JWST/NIRCam.Broad'",
                                                                "JWST/NIRCam.Wide"]),
                ("instrument", [("photometry_fluxes: {}", "photometry_fluxes: {instruments: [wild]}")],
                 ["instrument.yaml:17", "'wild'", "wide"]),
                ("igm", [("threads: 1", "igm: inoue")], ["igm.yaml:4", "'inoue'", "inoue14"]),
                ("cosmology", [("threads: 1", "cosmology: {name: Plank18}")],
                 ["cosmology.yaml:4", "'Plank18'", "Planck18"]),
                ("curve", [("fesc: fesc", "dust_curve: power_low")], ["curve.yaml:8", "'power_low'", "power_law"])):
            with self.subTest(name):
                self.expect(USAGE, self.job(f"{name}", *changes), *parts)

    def test_tau_from_the_line_of_sight_needs_its_operation(self):
        self.expect(USAGE, self.job("los", ("tau_v: tau_v", "tau_v: los")), "los.yaml:7", "emission.tau_v",
                    "los_optical_depths")

    def test_a_field_in_kpc_needs_one_redshift(self):
        def change(file):
            file["Galaxies/redshift"][2] = 3.0
        name = self.spoil("catalogue.hdf5", "redshifts.hdf5", change)
        images = ("  lines: {ids: [all]}\n", "  images_flux: {labels: [intrinsic], fov_kpc: 60}\n")
        self.expect(USAGE, self.job("field", ("catalogue.hdf5", name), images), "field.yaml:18",
                    "operations.images_flux.fov_kpc", "redshift 1", "at 3", "fov_arcsec")
        self.call("check", self.job("field_2", ("catalogue.hdf5", name), images, ("threads: 1", "redshift: 1")))

    # ---- the command line ----------------------------------------------------------------------

    def test_the_command_line_is_checked(self):
        for command, part in ((["runn", "x"], "did you mean 'run'?"), (["run"], "which job file?"),
                              (["run", "--fast", "x"], "--fast"), (["check", "a", "b"], "one job file"),
                              (["demo-grid", "--nages=few"], "'few'"), (["demo-grid", "--nages=-1"], "'-1'"),
                              (["status"], "which results file?"), ([], "Usage: polyphony")):
            with self.subTest(command):
                self.assertIn(part, self.call(*command, expected=USAGE))
        self.assertIn("catalogue.hdf5", self.call("status", "catalogue.hdf5", expected=INPUT))

    # ---- results -------------------------------------------------------------------------------

    def test_output_that_cannot_be_written_is_named(self):
        for name, path in (("nowhere", "nowhere/r.hdf5"), ("under_file", "grid.hdf5/r.hdf5")):
            for ranks in (None, 3):
                self.expect(OUTPUT, self.job(name, output=path), f"'{path}'", command="run", ranks=ranks)

    def test_results_of_another_job_are_not_continued(self):
        shutil.copy(self.dir / "untouched.hdf5", self.dir / "kept.hdf5")
        before = (self.dir / "kept.hdf5").read_bytes()
        other = self.spoil("catalogue.hdf5", "other_in.hdf5", lambda f: f["Stars/ages"].__setitem__(0, 12345.0))
        for name, change, parts in (
                ("other_fesc", ("fesc: fesc", "fesc: 0.25"), ["emission.fesc", "fesc", "0.25", "--overwrite"]),
                ("other_labels", ("labels: [all]", "labels: [intrinsic]"),
                 ["operations.spectra.labels", "[intrinsic]"]),
                ("other_input", ("catalogue.hdf5", other), ["catalogue_hash", "--overwrite"])):
            for ranks in (None, 3):
                self.expect(USAGE, self.job(name, change, output="kept.hdf5"), "'kept.hdf5'", *parts, command="run",
                            ranks=ranks)
        self.assertEqual((self.dir / "kept.hdf5").read_bytes(), before)
        self.call("run", "--overwrite", "other_fesc.yaml")
        with h5py.File(self.dir / "kept.hdf5") as file:
            self.assertEqual(file["Run/Job"].attrs["emission.fesc"], "0.25")
            self.assertTrue(np.isfinite(file["Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent"][()]).all())

    def test_a_file_that_is_no_results_file_is_never_touched(self):
        for name in ("mine.hdf5", "mine.txt"):
            with h5py.File(self.dir / "mine.hdf5", "w") as file:
                file["precious"] = np.arange(5)
            (self.dir / "mine.txt").write_text("precious", encoding="utf-8")
            before = (self.dir / name).read_bytes()
            job = self.job("mine", output=name)
            for ranks in (None, 3):
                self.expect(INPUT, job, f"'{name}'", command="run", ranks=ranks)
                self.expect(INPUT, job, f"'{name}'", command="run", ranks=ranks, options=["--overwrite"])
            self.assertEqual((self.dir / name).read_bytes(), before)
        before = (self.dir / "grid.hdf5").read_bytes()
        self.expect(INPUT, self.job("own", output="grid.hdf5"), "'grid.hdf5'", command="run", options=["--overwrite"])
        self.assertEqual((self.dir / "grid.hdf5").read_bytes(), before)

    # ---- a full disk ---------------------------------------------------------------------------

    def mount(self, size):
        """A small disk of our own, or skip."""
        disk = tempfile.mkdtemp(dir=self.dir)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            self.skipTest("a full disk can only be made by root where mount is allowed")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk

    def test_a_disk_that_is_full_at_once_ends_the_run(self):
        for ranks in (None, 3):
            job = self.job("full", output=f"{self.mount('16k')}/r.hdf5")
            self.expect(OUTPUT, job, "r.hdf5'", "No space left", command="run", ranks=ranks)

    def test_a_disk_too_small_for_a_grid_leaves_nothing(self):
        disk = self.mount("12m")
        output = self.call("demo-grid", "--nages=10", "--nmetallicities=10", "-o", f"{disk}/grid.hdf5", expected=OUTPUT)
        self.assertIn("grid.hdf5'", output)
        self.assertIn("disk full", output)
        self.assertEqual(os.listdir(disk), [])

    def test_a_disk_that_fills_up_ends_the_run_which_continues_with_more_room(self):
        self.call("demo-catalogue", "--nparticles=5", "--ngalaxies=200", "-o", "many.hdf5")
        for ranks in (None, 3):
            disk = self.mount("10m")
            job = self.job("fills", ("catalogue.hdf5", "many.hdf5"), output=f"{disk}/r.hdf5")
            self.expect(OUTPUT, job, "r.hdf5'", "No space left", command="run", ranks=ranks)
            state = json.loads(Path(disk, "r.hdf5.status.json").read_text(encoding="utf-8"))
            self.assertEqual((state["state"], state["exit_code"]), ("failed", OUTPUT), state)
            self.assertIn("No space left", state["reason"])
            subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
            self.assertIn("200 done", self.finish_filled(job, disk, ranks))

    def finish_filled(self, job, disk, ranks):
        """Run again with room, which must continue; the status."""
        self.assertIn("continuing", self.call("run", job, ranks=ranks))
        return self.call("status", f"{disk}/r.hdf5")


if __name__ == "__main__":
    runner.main()
