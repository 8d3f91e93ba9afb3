#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to jobs besides kills: slow ranks, inputs that vanish, files that are torn, galaxies that crash."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import h5py
import numpy as np

from ground import JOB, N_GALAXY, CrashTest, Ledger, kill_all, kill_rank, runner, wait_until

ALL_DONE, SOME_ASIDE, USAGE, INPUT, STOPPED, OUTPUT = 0, 1, 2, 3, 4, 5
SOON_S = 30  # "within seconds", on a machine that others use too
SURVIVE_S = 2


class FaultTest(CrashTest):
    """Shared by the classes below."""

    def expect_message(self, output, *parts):
        """A message of ours that has all parts, and no crash."""
        for part in parts:
            self.assertIn(part, output)
        self.assertIn("polyphony: ", output)
        for crash in ("Segmentation", "HDF5-DIAG", "Sanitizer", "Traceback"):
            self.assertNotIn(crash, output)


class CrashingGalaxies(FaultTest):
    """What it takes to make a galaxy crash its rank."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.library = cls.build_preload(Path(__file__).with_name("crash_at_place.c"))

    def run_crashing(self, name, row, number, ranks, survive_s=None, dataset="Galaxies/Stars/SFZH", options=()):
        """Run a job in which writing a row of a dataset kills the rank; exit code and output."""
        path = self.dir / f"{name}.hdf5"
        with h5py.File(path, "r") as file:
            data = file[dataset]
            is_by_particle = data.name.endswith("/Particles")
            first = file[f"{data.parent.name}/FirstParticle"][row] if is_by_particle else row
            offset = data.id.get_offset() + int(first) * data.dtype.itemsize * int(np.prod(data.shape[1:]))
        return self.run_crashing_at("write", path, offset, number, name, ranks, survive_s, options)

    def run_crashing_at(self, call, path, offset, number, *run):
        """Run a job (arguments of start_run) in which writing or reading a place of a file is fatal."""
        environment = os.environ | {"LD_PRELOAD": str(self.library), "CRASH_CALL": call, "CRASH_PATH": path.name,
                                    "CRASH_OFFSET": str(offset), "CRASH_SIGNAL": str(int(number))}
        return runner.finish(self.start_run(*run, env=environment))

    def run_crashing_read(self, row, name, *run):
        """Run a job in which reading a row's first star is fatal, and alone in being so; exit code and output."""
        path = self.dir / "catalogue.hdf5"
        with h5py.File(path, "r") as file:
            data = file["Stars/coordinates"]  # of which nothing is looked at when the catalogue is opened
            offset = data.id.get_offset() + int(file["Stars/offset"][row]) * data.dtype.itemsize * 3
        return self.run_crashing_at("read", path, offset, signal.SIGSEGV, name, *run)

    def prepare_crashing(self, name):
        """A results file that is laid out and begun, so that places in it are known."""
        code, _ = self.interrupt(name, kill_all)
        self.assertNotEqual(code, ALL_DONE)
        left = np.flatnonzero(Ledger(self.dir / f"{name}.hdf5").read()["status"] == 0)
        return int(left[len(left) // 2])

    def expect_set_aside(self, name, row, word, number, reference="reference"):
        """All other rows have the bits of the reference; status names the galaxy and the signal."""
        entries = Ledger(self.dir / f"{name}.hdf5").read()
        self.assertEqual(int(entries["status"][row]), 2)
        self.assertEqual(int(np.count_nonzero(entries["status"] == 1)), N_GALAXY - 1)
        code, output = self.run_status(name)
        self.assertEqual(code, SOME_ASIDE, output)
        # demo catalogues number their galaxies by row
        self.assertRegex(output, rf"set aside: galaxy {row} \(row {row}, Crash\): .*{word}")
        with h5py.File(self.dir / f"{name}.hdf5") as got, h5py.File(self.dir / f"{reference}.hdf5") as expected:
            for path in ("Galaxies/Stars/SFZH", "Galaxies/Stars/Spectra/SpectralLuminosityDensities/emergent"):
                others = np.arange(N_GALAXY) != row
                self.assertTrue(np.array_equal(got[path][()][others], expected[path][()][others]), path)
                self.assertTrue(np.isnan(got[path][row]).all(), path)
        # What is wrong with the galaxy may be repaired: then it is done like any other.
        self.call("run", "--retry-failed", f"{name}.yaml", ranks=3)
        expected = runner.read_bytes(self.dir / f"{reference}.hdf5")
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), expected, f"{name} {number}")


class RanksThatFail(CrashingGalaxies):
    """Slow ones, and galaxies that take a rank with them."""

    def test_a_rank_that_stands_still_for_five_seconds_is_waited_for(self):
        for rank in (0, 1):
            name = f"slow{rank}"

            def act(process, victim=rank):
                threading.Timer(5, kill_rank, (process, victim, signal.SIGCONT)).start()
                kill_rank(process, victim, signal.SIGSTOP)
            code, output = self.interrupt(name, act)
            self.assertEqual(code, ALL_DONE, output)
            self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)

    def test_a_galaxy_that_crashes_its_rank_twice_is_set_aside_and_named(self):
        for ranks in (3, None):
            name = f"segv{ranks}"
            row = self.prepare_crashing(name)
            for _ in range(2):
                code, output = self.run_crashing(name, row, signal.SIGSEGV, ranks)
                self.assertNotIn(code, (ALL_DONE, SOME_ASIDE), output)
            code, output = self.run_crashing(name, row, signal.SIGSEGV, ranks)
            self.assertEqual(code, SOME_ASIDE, output)
            self.expect_set_aside(name, row, "signal 11", signal.SIGSEGV)

    def test_a_galaxy_whose_reading_crashes_twice_is_set_aside_and_no_other_is_blamed(self):
        """It is read ahead, by a thread of its own, while another one is computed."""
        for ranks in (3, None):
            name = f"unreadable{ranks}"
            row = self.prepare_crashing(name)
            for _ in range(2):
                code, output = self.run_crashing_read(row, name, ranks)
                self.assertNotIn(code, (ALL_DONE, SOME_ASIDE), output)
            code, output = self.run_crashing_read(row, name, ranks)
            self.assertEqual(code, SOME_ASIDE, output)
            n_crash = Ledger(self.dir / f"{name}.hdf5").read()["n_crash"]
            self.assertEqual((int(n_crash[row]), int(n_crash.sum())), (2, 2))
            self.expect_set_aside(name, row, "signal 11", signal.SIGSEGV)

    def call_one(self, name, ranks, but):
        """One more galaxy that is left, not this one."""
        left = np.flatnonzero(Ledger(self.dir / f"{name}.hdf5").read()["status"] == 0)
        return runner.finish(self.start_run(name, ranks, options=[f"--galaxy-ids={left[left != but][-1]}"]))

    def expect_company(self, name, row, ranks):
        """After one crash: what was in hand with this row is blamed as it is, once."""
        code, output = self.run_crashing(name, row, signal.SIGSEGV, ranks)
        self.assertNotIn(code, (ALL_DONE, SOME_ASIDE), output)
        _, output = self.call_one(name, ranks, but=row)  # which also judges the run before
        n_crash = Ledger(self.dir / f"{name}.hdf5").read()["n_crash"]
        blamed = np.flatnonzero(n_crash)
        told = re.findall(r"galaxies ([\d, ]+)(?: and (\d+) others?)?: rank \d+ .* with these in hand", output)
        self.assertEqual(len(told), 1, output)  # in one line
        n_told = len(told[0][0].split(",")) + int(told[0][1] or 0)
        self.assertGreaterEqual(n_told, 2)  # else there was no company
        self.assertIn(len(blamed), (n_told - 1, n_told))  # one of them may be done by now
        self.assertIn(row, blamed)
        self.assertEqual(set(n_crash[blamed]), {1})

    def test_galaxies_in_company_of_one_that_crashes_are_blamed_once_and_done(self):
        # Only the fast method has several galaxies in hand.
        self.call("run", self.write_job("in_groups", JOB), ranks=3)
        for ranks in (3, None):
            name = f"company{ranks}"
            self.write_job(name, JOB, max_batch=64)
            self.call("run", "--max-galaxies=2", f"{name}.yaml", ranks=ranks)
            ledger = Ledger(self.dir / f"{name}.hdf5")
            left = np.flatnonzero(ledger.read()["status"] == 0)
            with h5py.File(self.dir / "catalogue.hdf5") as file:
                row = int(left[np.argmax(file["Stars/length"][()][left])])  # it is dealt first, in a large batch
            self.expect_company(name, row, ranks)
            code, output = self.run_crashing(name, row, signal.SIGSEGV, ranks)  # alone
            self.assertNotIn(code, (ALL_DONE, SOME_ASIDE), output)
            code, output = self.run_crashing(name, row, signal.SIGSEGV, ranks)
            self.assertEqual(code, SOME_ASIDE, output)
            n_crash = ledger.read()["n_crash"]
            self.assertEqual((int(n_crash[row]), int(n_crash.sum())), (2, 2))
            self.expect_set_aside(name, row, "signal 11", signal.SIGSEGV, "in_groups")

    def list_row_datasets(self, path):
        """Datasets of the results that runs write to by rows; one filter's images stand for all."""
        datasets = ["Galaxies/Stars/OpticalDepths/Particles"]

        def keep(name, item):
            is_by_row = isinstance(item, h5py.Dataset) and item.shape[:1] == (N_GALAXY,)
            if (is_by_row and item.id.get_offset() and name != "Run/Ledger" and not name.endswith("/FirstParticle")
                    and ("/Images/" not in name or name.endswith("F444W"))):
                datasets.append(name)
        with h5py.File(path) as file:
            file.visititems(keep)
        return datasets

    def test_a_row_counts_as_done_only_when_all_its_values_are_in_the_file(self):
        self.prepare_crashing("order")
        ledger = Ledger(self.dir / "order.hdf5")
        rows = list(np.flatnonzero(ledger.read()["status"] == 0))
        datasets = self.list_row_datasets(ledger.path)
        self.assertGreater(len(datasets), 5)
        self.assertLess(len(datasets), 3 * len(rows))  # three times with a galaxy would set it aside
        for i, dataset in enumerate(datasets):
            with self.subTest(dataset):
                row = int(rows[i % len(rows)])
                code, output = self.run_crashing("order", row, signal.SIGKILL, None, dataset=dataset,
                                                 options=[f"--galaxy-ids={row}"])
                self.assertEqual(code, -signal.SIGKILL, output)
                self.assertEqual(int(ledger.read()["status"][row]), 0)
        self.expect_complete("order")

    def test_a_galaxy_with_which_a_rank_vanishes_three_times_is_set_aside_and_named(self):
        row = self.prepare_crashing("oom")
        for _ in range(3):
            code, output = self.run_crashing("oom", row, signal.SIGKILL, 3)
            self.assertNotIn(code, (ALL_DONE, SOME_ASIDE), output)
        code, output = self.run_crashing("oom", row, signal.SIGKILL, 3)
        self.assertEqual(code, SOME_ASIDE, output)
        self.expect_set_aside("oom", row, "vanished", signal.SIGKILL)

    def test_jobs_killed_from_outside_blame_no_galaxy(self):
        for _ in range(4):
            self.interrupt("outside", kill_all, n_done=2)
        entries = Ledger(self.dir / "outside.hdf5").read()
        self.assertEqual(int(entries["n_crash"].sum()), 0)
        self.assertEqual(int(entries["n_vanish"].max()), 0)  # two workers that have galaxies in hand excuse each other
        self.expect_complete("outside")


class SurvivingRuns(CrashingGalaxies):
    """--survive: the run goes on without the ranks that are lost."""

    def read_state(self, name):
        """The last word of status.json."""
        return json.loads((self.dir / f"{name}.hdf5.status.json").read_text(encoding="utf-8"))

    def expect_survived(self, name, outcome, n_lost):
        """Everything is done, with the bits of the reference, by the same run."""
        code, output = outcome
        self.assertEqual(code, ALL_DONE, output)
        state = self.read_state(name)
        self.assertEqual((state["state"], state["exit_code"], state["n_lost"]), ("done", ALL_DONE, n_lost), output)
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)

    def test_a_rank_that_is_silent_too_long_is_replaced_and_its_late_word_not_heard(self):
        def act(process):  # all of them stand still, the others with beating hearts
            kill_rank(process, 2, signal.SIGSTOP)
            self.assertTrue(wait_until(lambda: self.read_state("late")["n_lost"] == 1, process))
            kill_rank(process, 2, signal.SIGCONT)
        self.expect_survived("late", self.interrupt("late", act, n_done=21, survive_s=SURVIVE_S, ranks=4), 1)

    def test_all_workers_but_one_may_be_lost(self):
        def act(process):
            for rank in (1, 3):
                kill_rank(process, rank)
        self.expect_survived("two", self.interrupt("two", act, n_done=21, survive_s=SURVIVE_S, ranks=4), 2)
        # Also what the lost ranks had written: they could not say so themselves.
        self.assertTrue((Ledger(self.dir / "two.hdf5").read()["is_on_disk"] == 1).all())

    def test_without_any_worker_the_run_ends_and_can_be_continued(self):
        def act(process):
            for rank in (1, 2):
                kill_rank(process, rank)
        code, output = self.interrupt("none", act, survive_s=SURVIVE_S)
        self.assertNotIn(code, (ALL_DONE, SOME_ASIDE), output)
        self.expect_complete("none")

    def test_without_the_dealer_the_run_ends_and_can_be_continued(self):
        code, output = self.interrupt("dealer", lambda process: kill_rank(process, 0), survive_s=SURVIVE_S)
        self.assertEqual(code, STOPPED, output)
        self.expect_complete("dealer")

    def test_a_galaxy_that_crashes_two_ranks_is_set_aside_and_the_rest_done_in_the_same_run(self):
        for name, run in (("both", lambda row: self.run_crashing("both", row, signal.SIGSEGV, 4, SURVIVE_S)),
                          ("both_read", lambda row: self.run_crashing_read(row, "both_read", 4, SURVIVE_S))):
            row = self.prepare_crashing(name)
            code, output = run(row)
            self.assertEqual(code, SOME_ASIDE, output)
            self.assertEqual(self.read_state(name)["n_lost"], 2)
            self.expect_set_aside(name, row, "signal 11", signal.SIGSEGV)


class InputsThatChange(FaultTest):
    """While a job runs, and before it is continued."""

    def setUp(self):
        # Each test has a catalogue of its own, which is spoilt.
        shutil.copy(self.dir / "catalogue.hdf5", self.dir / "mine.hdf5")
        shutil.copy(self.dir / "grid.hdf5", self.dir / "my_grid.hdf5")

    def interrupt_mine(self, name, act, **options):
        """As interrupt(), on the inputs of this test; also the seconds it took to end after act()."""
        job = self.write_job(name, JOB, method="direct", max_batch=4, catalogue="mine.hdf5", grid="my_grid.hdf5")
        (self.dir / f"{name}.hdf5").unlink(missing_ok=True)
        begin = []

        def timed(process):
            act(process)
            begin.append(time.monotonic())
        code, output = self.interrupt(name, timed, job=job, **options)
        return code, output, time.monotonic() - begin[0]

    def test_a_catalogue_that_is_cut_while_running_ends_the_run_and_is_named(self):
        for ranks in (3, None):
            name = f"cut{ranks}"
            with self.subTest(name):
                self.setUp()
                path = self.dir / "mine.hdf5"
                code, output, seconds = self.interrupt_mine(
                    name, lambda _, path=path: os.truncate(path, path.stat().st_size // 50), ranks=ranks)
                self.assertEqual(code, INPUT, output)
                self.expect_message(output, "'mine.hdf5'")
                place = r"galaxy \d+: 'mine\.hdf5': dataset '\w+/\w+', \d+ bytes from \d+ on"
                self.assertRegex(output, place + ".* truncated")
                self.assertLess(seconds, SOON_S)
                self.assertEqual(self.run_status(name)[0], STOPPED)
                self.setUp()
                self.expect_complete(name)

    def test_a_catalogue_that_is_unlinked_while_running_is_read_to_its_end(self):
        """A run has it open; only the next one misses it."""
        for ranks in (3, None):
            name = f"gone{ranks}"
            with self.subTest(name):
                self.setUp()
                code, output, _ = self.interrupt_mine(name, lambda _: (self.dir / "mine.hdf5").unlink(), ranks=ranks)
                self.assertEqual(code, ALL_DONE, output)
                self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)

    def test_inputs_that_are_gone_or_changed_are_named_and_the_rest_waits(self):
        def change(path):
            with h5py.File(path, "r+") as file:
                file["Stars/ages"][0] += 1
        name = "waits"
        self.interrupt_mine(name, lambda process: kill_rank(process, 2), goes_on=False)
        for file, spoil, code, parts in (
                ("mine.hdf5", Path.unlink, INPUT, ["'mine.hdf5'", "No such file"]),
                ("my_grid.hdf5", Path.unlink, INPUT, ["'my_grid.hdf5'", "No such file"]),
                ("my_grid.hdf5", lambda path: os.truncate(path, 1000), INPUT, ["'my_grid.hdf5'"]),
                ("mine.hdf5", change, USAGE, [f"'{name}.hdf5'", "catalogue_hash"])):
            spoil(self.dir / file)
            for ranks in (3, None):
                before = (self.dir / f"{name}.hdf5").read_bytes()
                self.expect_message(self.call("run", f"{name}.yaml", ranks=ranks, expected=code), *parts)
                self.assertEqual((self.dir / f"{name}.hdf5").read_bytes(), before)
            self.setUp()
        self.expect_complete(name)


class OutputsThatAreTorn(FaultTest):
    """By a power cut, a slip, or a disk that lies."""

    def interrupted(self, name):
        """A file with some rows left."""
        code, output = self.interrupt(name, lambda process: kill_rank(process, 2), goes_on=False)
        self.assertNotEqual(code, ALL_DONE, output)
        return self.dir / f"{name}.hdf5"

    def test_a_torn_ledger_entry_is_told_and_its_row_computed_again(self):
        path = self.interrupted("torn")
        ledger = Ledger(path)
        done = np.flatnonzero(ledger.read()["status"] == 1)
        size = ledger.dtype.itemsize
        with open(path, "r+b") as file:
            for row, begin, garbage in ((done[0], 0, b"\xa5" * size), (done[1], 8, b"\x5a" * 8)):
                file.seek(ledger.offset + int(row) * size + begin)
                file.write(garbage)
        code, output = self.run_status("torn")
        self.assertEqual(code, STOPPED, output)
        self.assertRegex(output, "1 ledger entr.* damaged")
        output = self.call("verify", "torn.hdf5", expected=INPUT)
        for row, fault in ((done[0], "ledger entry is damaged"), (done[1], "checksum")):
            self.assertRegex(output, rf"galaxy {row} \(row {row}\): .*{fault}")
        output = self.call("run", "torn.yaml", ranks=3)
        for row in done[:2]:
            self.assertIn(f"galaxy {row} (row {row}): ", output)
        self.call("verify", "torn.hdf5")
        self.expect_same(runner.read_bytes(path), self.reference, "torn")

    def test_a_truncated_results_file_is_refused_by_name(self):
        path = self.interrupted("short")
        for n_byte in (path.stat().st_size * 3 // 4, 4000, 0):
            os.truncate(path, n_byte)
            for command, arguments in (("status", ["short.hdf5"]), ("verify", ["short.hdf5"]), ("run", ["short.yaml"])):
                ranks = 3 if command == "run" else None
                code, output = runner.finish(runner.start([self.program, command, *arguments], ranks, cwd=self.dir,
                                                          env=os.environ | runner.NO_GRACE))
                with self.subTest(f"{command}, {n_byte} bytes"):
                    self.assertIn(code, (INPUT, OUTPUT), output)
                    self.expect_message(output, "'short.hdf5'")
        self.call("run", "--overwrite", "short.yaml", ranks=3, expected=INPUT)  # no results file any more: not ours
        path.unlink()
        self.expect_complete("short")

    def test_a_directory_that_is_read_only_is_named(self):
        disk = self.skip_unless_mounted()
        job = self.write_job("readonly", JOB, method="direct", output=f"{disk}/readonly.hdf5", max_batch=4)
        link = self.dir / "readonly.hdf5"
        link.symlink_to(disk / link.name)
        self.interrupt("readonly", lambda process: kill_rank(process, 2), goes_on=False, job=job)
        # mpirun does not wait for the ranks it kills: for some milliseconds their files are still open.
        self.assertTrue(wait_until(lambda: not subprocess.run(["mount", "-o", "remount,ro", disk], check=False).returncode,
                                   seconds=60))
        self.assertEqual(runner.finish(runner.start([self.program, "status", disk / "readonly.hdf5"]))[0], STOPPED)
        other = self.write_job("other", JOB, method="direct", output=f"{disk}/new.hdf5")
        for path, name in ((job, "readonly.hdf5'"), (other, "new.hdf5'")):
            for ranks in (3, None):
                self.expect_message(self.call("run", path, ranks=ranks, expected=OUTPUT), name, "Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        self.call("run", job, ranks=3)
        self.expect_same(runner.read_bytes(disk / "readonly.hdf5"), self.reference, "readonly")

    def test_a_results_file_deleted_while_running_is_told(self):
        code, output = self.interrupt("gone", lambda _: (self.dir / "gone.hdf5").unlink())
        self.assertEqual(code, OUTPUT, output)
        self.expect_message(output, "'gone.hdf5'")
        self.expect_complete("gone")


if __name__ == "__main__":
    runner.main()
