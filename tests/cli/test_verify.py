#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`polyphony verify` and `polyphony status`: what they say of files that are whole, spoilt, unfinished and suspect."""

import datetime
import json
import os
import re
import shutil
import socket
import subprocess
import unittest

import h5py
import numpy as np

import runner
import small

USAGE, INPUT, ASIDE, STOPPED = small.USAGE, small.INPUT, small.ASIDE, 4
N_GALAXY = 30
N_SHOWN = 20  # galaxies that are listed without --all


class FilesTest(runner.ProgramTest):
    """One finished results file, of which each test spoils a copy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call("demo-grid", "--nages=4", "--nmetallicities=3", "--nwavelengths=300")
        cls.call("demo-catalogue", "--nparticles=20", f"--ngalaxies={N_GALAXY}", "--seed=7")
        text = small.JOB.replace("operations:\n", "operations:\n  los_optical_depths: {{write_particles: yes}}\n")
        cls.write_job("whole", text)
        cls.call("run", "whole.yaml")

    def copy(self, name, change=None):
        """A copy of the results, changed by change(file); its state is not copied."""
        shutil.copy(self.dir / "whole.hdf5", self.dir / name)
        if change:
            with h5py.File(self.dir / name, "r+") as file:
                change(file)
        return name

    @staticmethod
    def spoil_rows(rows, path="Galaxies/Stars/SFZH"):
        """A change of one bit in these rows."""
        def change(file):
            for row in rows:
                bits = np.atleast_1d(file[path][row]).view(np.uint64)
                bits.flat[-1] ^= np.uint64(1)
                file[path][row] = bits.view(np.float64).reshape(file[path].shape[1:])
        return change

    @staticmethod
    def mark(rows, **fields):
        """A change of the ledger entries of these rows."""
        def change(file):
            ledger = file["Run/Ledger"][()]
            for row in rows:
                for name, value in fields.items():
                    ledger[name][row] = value
            file["Run/Ledger"][...] = ledger
        return change

    @staticmethod
    def ids(path):
        """Galaxy ids of a results file."""
        with h5py.File(path, "r") as file:
            return [int(value) for value in file["Galaxies/ID"]]


class Verify(FilesTest):
    """Are the numbers in the file those that were computed?"""

    def test_a_finished_file_is_as_it_was_written(self):
        output = self.call("verify", "whole.hdf5")
        self.assertIn(f"{N_GALAXY} galaxies: {N_GALAXY} done, 0 set aside, 0 left", output)
        self.assertIn("all galaxies are as they were written", output)

    def test_one_bit_is_found_and_its_galaxy_named(self):
        name = self.copy("bit.hdf5", self.spoil_rows([4]))
        output = self.call("verify", name, expected=INPUT)
        galaxy = self.ids(self.dir / name)[4]
        self.assertIn(f"galaxy {galaxy} (row 4): its values are not those of its checksum", output)
        self.assertIn(f"'{name}': 1 galaxies are not as they were written", output)
        self.assertEqual(output.count("(row "), 1, output)

    def test_one_bit_of_a_particle_is_found(self):
        path = "Galaxies/Stars/OpticalDepths/Particles"
        output = self.call("verify", self.copy("star.hdf5", self.spoil_rows([0], path)), expected=INPUT)
        self.assertEqual(output.count("(row "), 1, output)

    def test_many_are_listed_up_to_twenty_and_counted(self):
        output = self.call("verify", self.copy("many.hdf5", self.spoil_rows(range(25))), expected=INPUT)
        self.assertEqual(output.count("(row "), N_SHOWN, output)
        self.assertIn("… and 5 more", output)
        self.assertIn("25 galaxies are not as they were written", output)

    def test_a_galaxy_set_aside_with_numbers_is_found(self):
        name = self.copy("aside.hdf5", self.mark([2], status=2, checksum=0, stage=b"Reading", reason=b"a reason"))
        self.assertIn("(row 2): is set aside, but has values", self.call("verify", name, expected=INPUT))

    def test_a_galaxy_that_is_left_has_no_checksum(self):
        name = self.copy("left.hdf5", self.mark([3], status=0))
        self.assertIn("(row 3): is left, but has a checksum", self.call("verify", name, expected=INPUT))

    def test_truncated_files_are_named_by_both_commands(self):
        name = self.copy("short.hdf5")
        size = os.path.getsize(self.dir / name)
        for missing in (1, size // 2, size - 100):
            os.truncate(self.dir / name, size - missing)
            for command in ("verify", "status"):
                output = self.call(command, name, expected=INPUT)
                self.assertIn(f"'{name}' is truncated", output)
                self.assertIn(f"the last {missing} are missing", output)

    def test_an_older_file_is_refused_as_one_of_another_version(self):
        def change(file):
            file.attrs["version"] = np.int64(1)
        name = self.copy("older.hdf5", change)
        for command in ("verify", "status"):
            self.assertIn("made by another version of the program", self.call(command, name, expected=USAGE))

    def test_other_files_are_no_results(self):
        self.assertIn("not a results file", self.call("verify", "catalogue.hdf5", expected=INPUT))
        self.call("verify", "nowhere.hdf5", expected=INPUT)
        self.call("verify", expected=USAGE)


class VerifyLong(FilesTest):
    """More galaxies than are verified side by side (8192), with more values than are read at once (2^19)."""

    N_LONG = 8500

    def test_spoilt_rows_are_found_wherever_they_lie(self):
        text = small.JOB.replace("  sfzh: {{}}\n", "  los_optical_depths: {{write_particles: yes}}\n")
        for operation in ("  observed_spectra: {{}}\n", "  photometry_fluxes: {{}}\n", "  lines: {{ids: [all]}}\n"):
            text = text.replace(operation, "")
        self.call("demo-catalogue", "--nparticles=2", f"--ngalaxies={self.N_LONG}", "--seed=8", "-o", "many.hdf5")
        text = text.replace("catalogue.hdf5", "many.hdf5")
        self.write_job("long", text.replace("labels: [all]", "labels: [emergent]"))
        self.call("run", "long.yaml")
        self.call("verify", "long.hdf5")
        rows = {"Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent": [0, 1747, 1748, 8191, 8192],
                "Galaxies/Redshift": [4000, self.N_LONG - 1],
                "Galaxies/Stars/OpticalDepths/Particles": [2 * 5000, 2 * 8300 + 1]}
        with h5py.File(self.dir / "long.hdf5", "r+") as file:
            self.assertGreater(file["Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent"][:8192].size, 2**19)
            for path, spoilt in rows.items():
                self.spoil_rows(spoilt, path)(file)
        output = self.call("verify", "long.hdf5", expected=INPUT)
        found = [int(row) for row in re.findall(r"\(row (\d+)\): its values", output)]
        self.assertEqual(found, [0, 1747, 1748, 4000, 5000, 8191, 8192, 8300, self.N_LONG - 1])


class Status(FilesTest):
    """What of a file is done, and how its run goes."""

    def write_state(self, name, age_s=0.0, **members):
        """A status.json as the run writes it, some seconds ago."""
        updated = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age_s)
        state = {"state": "running", "exit_code": None, "reason": "", "results": f"{name}.hdf5", "job": "the.yaml",
                 "galaxies_per_s": 12.5, "eta_s": 7200.0, "n_rank": 9, "n_lost": 0, "host": "node7",
                 "updated_utc": updated.strftime("%Y-%m-%dT%H:%M:%SZ")} | members
        (self.dir / f"{name}.hdf5.status.json").write_text(json.dumps(state), encoding="utf-8")

    def unfinished(self, name, **fields):
        """A copy of the results of which rows 5 and 6 are left."""
        return self.copy(f"{name}.hdf5", self.mark([5, 6], status=0, checksum=0, **fields))

    def json(self, *command, expected):
        """What --json says, as one object."""
        return json.loads(self.call("status", "--json", *command, expected=expected))

    def test_a_run_that_is_alive_says_how_fast_it_is(self):
        self.unfinished("alive")
        self.write_state("alive", n_lost=2)
        output = self.call("status", "alive.hdf5", expected=STOPPED)
        self.assertIn("running on node7 (9 ranks, 2 lost): 12.5 galaxies/s, time left: 2.0 h", output)
        self.assertNotIn("to continue", output)

    def test_a_run_that_is_silent_has_ended_without_a_word(self):
        self.unfinished("silent")
        self.write_state("silent", age_s=300)
        output = self.call("status", "silent.hdf5", expected=STOPPED)
        self.assertIn("node7 ended without a word", output)
        self.assertIn("to continue: polyphony run the.yaml, under mpirun or srun as before", output)

    def test_a_run_whose_process_is_gone_from_this_host_has_ended(self):
        self.unfinished("gone")
        process = subprocess.Popen(["true"])
        process.wait()
        self.write_state("gone", host=socket.gethostname(), pid=process.pid)
        self.assertIn("ended without a word", self.call("status", "gone.hdf5", expected=STOPPED))
        self.write_state("gone", host=socket.gethostname(), pid=os.getpid())
        self.assertIn("running on", self.call("status", "gone.hdf5", expected=STOPPED))

    def test_how_a_run_ended_is_said(self):
        self.unfinished("ended")
        self.write_state("ended", state="stopped", exit_code=4, reason="max-runtime \u00fc \"quoted\" \\ \n", n_rank=1)
        output = self.call("status", "ended.hdf5", expected=STOPPED)
        self.assertIn('the last run: stopped (max-runtime \u00fc "quoted" \\ \n), exit code 4', output)
        self.assertIn("to continue: polyphony run the.yaml\n", output)

    def test_a_state_file_that_is_not_ours_is_left_out(self):
        self.unfinished("other")
        for text in ("", "{", "[1]", "null", '{"state": ', '{"state": "running"', '{"a": {"b": 1}}', "\0",
                     '{"a": "\\u12'):
            (self.dir / "other.hdf5.status.json").write_text(text, encoding="utf-8")
            output = self.call("status", "other.hdf5", expected=STOPPED)
            self.assertIn("28 done, 0 set aside, 2 left", output)
            self.assertNotIn("running", output)
            self.assertIsNone(self.json("other.hdf5", expected=STOPPED)["run"])

    def test_suspect_galaxies_are_named(self):
        name = self.unfinished("suspect", n_crash=1, n_vanish=2)
        galaxy = self.ids(self.dir / name)[6]
        output = self.call("status", name, expected=STOPPED)
        self.assertIn(f"suspect: galaxy {galaxy} (row 6): with it in hand a rank crashed 1 times, vanished 2 times",
                      output)
        self.assertEqual(output.count("suspect:"), 2, output)

    def test_many_set_aside_are_listed_up_to_twenty_unless_all_are_asked_for(self):
        name = self.copy("many.hdf5", self.mark(range(1, 26), status=2, checksum=0, stage=b"Reading", reason=b"so"))
        output = self.call("status", name, expected=ASIDE)
        self.assertIn("30 galaxies: 5 done, 25 set aside, 0 left", output)
        self.assertEqual(output.count("set aside: galaxy"), N_SHOWN, output)
        self.assertIn("… and 5 more set aside (--all lists them)", output)
        output = self.call("status", "--all", name, expected=ASIDE)
        self.assertEqual(output.count("set aside: galaxy"), 25, output)
        self.assertNotIn("more", output)
        self.assertEqual(len(self.json(name, expected=ASIDE)["galaxies"]), N_SHOWN)
        self.assertEqual(len(self.json("--all", name, expected=ASIDE)["galaxies"]), 25)

    def test_json_is_one_object_with_everything(self):
        def change(file):
            self.mark([5, 6], status=0, checksum=0, n_crash=1)(file)
            self.mark([9], status=2, checksum=0, stage=b"Reading", reason=b'a "quote" \xff and \x01')(file)
        name = self.copy("all.hdf5", change)
        self.write_state("all", state="failed", exit_code=5, reason="disk full")
        got = self.json(name, expected=STOPPED)
        counts = [got[key] for key in ("n_galaxy", "n_done", "n_set_aside", "n_left", "n_suspect", "n_damaged")]
        self.assertEqual(counts, [N_GALAXY, 27, 1, 2, 2, 0])
        self.assertEqual((got["run"]["is_alive"], got["run"]["reason"], got["run"]["exit_code"]),
                         (False, "disk full", 5))
        self.assertEqual([galaxy["row"] for galaxy in got["galaxies"]], [5, 6, 9])
        self.assertEqual([galaxy["is_set_aside"] for galaxy in got["galaxies"]], [False, False, True])
        self.assertEqual(got["galaxies"][2]["reason"], 'a "quote" \ufffd and \x01')
        self.assertGreater(got["computing_s"], 0.0)

    def test_a_torn_ledger_is_said_and_the_same_command_mends_it(self):
        self.copy("torn.hdf5", self.mark([7], status=77))
        self.assertIn("1 ledger entries are damaged", self.call("status", "torn.hdf5", expected=STOPPED))
        self.assertIn("its ledger entry is damaged", self.call("verify", "torn.hdf5", expected=INPUT))
        text = (self.dir / "whole.yaml").read_text(encoding="utf-8").replace("whole.hdf5", "torn.hdf5")
        (self.dir / "torn.yaml").write_text(text, encoding="utf-8")
        self.call("run", "torn.yaml")
        self.call("verify", "torn.hdf5")
        whole = runner.read_bytes(self.dir / "whole.hdf5")
        self.expect_same(runner.read_bytes(self.dir / "torn.hdf5"), whole, "mended")

    def test_the_state_of_a_run_is_left_for_scripts(self):
        state = json.loads((self.dir / "whole.hdf5.status.json").read_text(encoding="utf-8"))
        self.assertEqual((state["state"], state["exit_code"], state["n_done"]), ("done", 0, N_GALAXY))
        self.assertIn("the last run: done, exit code 0", self.call("status", "whole.hdf5"))


if __name__ == "__main__":
    runner.main()
