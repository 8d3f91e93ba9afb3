#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows whose values were lost behind a ledger that says done: named, left, computed again to the same bits."""

import json
import os

import h5py
import numpy as np

import runner
import small
from test_verify import INPUT, N_GALAXY, STOPPED, FilesTest

USAGE = small.USAGE
SPECTRA = "Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent"
STARS = "Galaxies/Stars/OpticalDepths/Particles"


class Repair(FilesTest):
    """A finished file, of which each test spoils a copy, and continues it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = runner.read_bytes(cls.dir / "whole.hdf5")
        cls.galaxy = cls.ids(cls.dir / "whole.hdf5")

    def spoil(self, name, *changes):
        """A copy of the results with these changes, and its job."""
        def change(file):
            for one in changes:
                one(file)
        self.copy(f"{name}.hdf5", change)
        text = (self.dir / "whole.yaml").read_text(encoding="utf-8").replace("whole.hdf5", f"{name}.hdf5")
        (self.dir / f"{name}.yaml").write_text(text, encoding="utf-8")
        return name

    @staticmethod
    def zero(rows, path=SPECTRA):
        """A change: as where pages never reached the disk."""
        def change(file):
            for row in rows:
                file[path][row] = 0
        return change

    def expect_whole(self, name):
        """All bits, all rows known to be on disk."""
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.whole, name)
        with h5py.File(self.dir / f"{name}.hdf5", "r") as file:
            self.assertTrue((file["Run/Ledger"]["is_on_disk"] == 1).all())
        self.call("verify", f"{name}.hdf5")

    def test_a_finished_run_knows_its_rows_to_be_on_disk(self):
        with h5py.File(self.dir / "whole.hdf5", "r") as file:
            self.assertEqual(file["Run/Ledger"]["is_on_disk"].tolist(), [1] * N_GALAXY)
        self.assertNotIn("on disk", self.call("status", "whole.hdf5"))

    def test_a_torn_row_is_named_and_computed_again(self):
        for options, ranks in ((["--repair"], None), (["--repair"], 3), ([], None), ([], 3)):
            name = self.spoil(f"torn{len(options)}{ranks}", self.zero([7]))
            output = self.call("verify", f"{name}.hdf5", expected=INPUT)
            self.assertIn("polyphony run --repair", output)
            output = self.call("run", *options, f"{name}.yaml", ranks=ranks)
            self.assertIn(f"warning: galaxy {self.galaxy[7]} (row 7): its values are not those that were computed", output)
            self.assertEqual(output.count("computed again"), 2 if options else 1, output)
            if options:
                self.assertRegex(output, rf"repair: {N_GALAXY} galaxies looked at \(.*\), 1 of them are to be computed")
            self.expect_whole(name)

    def test_values_of_every_kind_are_computed_again(self):
        """Each dataset in a row of its own, in as many files as that takes; particles in the last row."""
        with h5py.File(self.dir / "whole.hdf5", "r") as file:
            paths = [text.decode() if isinstance(text, bytes) else text for text in file["Run/Rows"][()]]
            first = int(file["Galaxies/Stars/OpticalDepths/FirstParticle"][N_GALAXY - 1])
        for begin in range(0, len(paths), N_GALAXY - 1):
            some = paths[begin:begin + N_GALAXY - 1]
            def change(file, some=some):
                for row, path in enumerate(some):
                    file[path][row] = 77
                file[STARS][first] = 77
            name = self.spoil(f"kinds{begin}", change)
            output = self.call("run", f"{name}.yaml", ranks=2)
            self.assertEqual(output.count("its values are not"), min(len(some) + 1, 20), output)
            self.assertIn(f"{len(some) + 1} galaxies were lost", output)
            self.expect_whole(name)

    def test_whatever_is_wrong_with_an_entry_is_healed(self):
        name = self.spoil("entries", self.mark([1], status=77), self.mark([2], status=0), self.mark([3], rank=-5),
                          self.mark([4], status=2, checksum=0, stage=b"Reading", reason=b"a reason"),
                          self.mark([5], checksum=1), self.mark([6], is_on_disk=9),
                          self.mark([8], status=0, checksum=0))  # left, and said to be on disk
        output = self.call("run", "--repair", f"{name}.yaml")
        for row, text in ((1, "its ledger entry was damaged"), (2, "it is left, and had a checksum"),
                          (3, "its ledger entry was damaged"), (4, "it was set aside, and has values"),
                          (5, "its values are not those"), (6, "its ledger entry was damaged")):
            self.assertIn(f"galaxy {self.galaxy[row]} (row {row}): {text}", output)
        self.assertNotIn("(row 8)", output)
        self.expect_whole(name)

    def test_rows_in_doubt_are_named_verified_and_marked(self):
        name = self.spoil("doubt", self.mark([3, 9, 12], is_on_disk=0), self.zero([9]))
        output = self.call("status", f"{name}.hdf5")
        self.assertIn("3 done or set aside are not yet known to be on disk; the same 'run' command verifies", output)
        for row in (3, 9, 12):
            self.assertIn(f"in doubt: galaxy {self.galaxy[row]} (row {row})", output)
        got = json.loads(self.call("status", "--json", f"{name}.hdf5"))
        self.assertEqual(got["n_not_on_disk"], 3)
        self.assertEqual([(galaxy["row"], galaxy["is_in_doubt"]) for galaxy in got["galaxies"]],
                         [(3, True), (9, True), (12, True)])
        output = self.call("run", f"{name}.yaml")
        self.assertEqual(output.count("(row "), 1, output)
        self.assertIn("(row 9): its values are not", output)
        self.expect_whole(name)

    def test_a_damaged_entry_is_named_by_status(self):
        name = self.spoil("damaged", self.mark([7], status=77))
        output = self.call("status", f"{name}.hdf5", expected=STOPPED)
        self.assertIn(f"damaged: galaxy {self.galaxy[7]} (row 7)", output)

    def test_what_was_not_asked_for_stays_left(self):
        name = self.spoil("asked", self.zero([7, 8]))
        self.call("run", "--repair", f"--galaxy-ids={self.galaxy[8]}", f"{name}.yaml")
        output = self.call("status", f"{name}.hdf5", expected=STOPPED)
        self.assertIn(f"{N_GALAXY - 1} done, 0 set aside, 1 left", output)
        self.call("run", f"{name}.yaml")
        self.expect_whole(name)

    def test_a_file_that_is_whole_is_not_touched(self):
        name = self.spoil("untouched")
        path = self.dir / f"{name}.hdf5"
        before = path.read_bytes()
        output = self.call("run", "--repair", f"{name}.yaml")
        self.assertRegex(output, r"0 of them are to be computed again")
        self.assertEqual(path.read_bytes(), before)

    def test_many_are_named_up_to_twenty_and_counted(self):
        name = self.spoil("many", self.zero(range(25)))
        output = self.call("verify", f"{name}.hdf5", expected=INPUT)
        self.assertIn("… and 5 more (--all lists them)", output)
        output = self.call("verify", "--all", f"{name}.hdf5", expected=INPUT)
        self.assertEqual(output.count("(row "), 25, output)
        output = self.call("run", f"{name}.yaml")
        self.assertEqual(output.count("(row "), 20, output)
        self.assertIn("… and 5 more", output)
        self.assertIn("25 galaxies were lost", output)
        self.expect_whole(name)

    def test_repair_and_overwrite_exclude_each_other(self):
        self.assertIn("--overwrite keeps nothing", self.call("run", "--repair", "--overwrite", "whole.yaml", expected=USAGE))

    def test_the_interval_of_syncs_is_checked_and_may_change(self):
        name = self.spoil("interval", self.zero([2]))
        job = self.dir / f"{name}.yaml"
        text = job.read_text(encoding="utf-8")
        for value, part in ((-1, "too small"), (86401, "too large")):
            job.write_text(f"{text}sync_interval_s: {value}\n", encoding="utf-8")
            output = self.call("run", job, expected=USAGE)
            self.assertIn("sync_interval_s", output)
            self.assertIn(part, output)
        for i, value in enumerate((0, 0.01, 86400)):
            with h5py.File(self.dir / f"{name}.hdf5", "r+") as file:
                file[SPECTRA][i] = 0
            job.write_text(f"{text}sync_interval_s: {value}\n", encoding="utf-8")
            self.call("run", job)
            self.expect_whole(name)

    def test_a_lost_row_is_found_after_an_end_out_of_order(self):
        name = self.spoil("order", self.zero([11]))
        with open(self.dir / f"{name}.hdf5.lock", "wb") as file:  # of a machine that was started again since
            file.write(b"polyphony hands 2".ljust(24, b"\0") + np.int32(1).tobytes() + b"0" * 36 + b"\0" * 4)
        self.call("run", f"{name}.yaml")
        self.expect_whole(name)
        self.assertFalse(os.path.exists(self.dir / f"{name}.hdf5.lock"))


if __name__ == "__main__":
    runner.main()
