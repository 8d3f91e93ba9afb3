#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to end a run early or to do a part of it, and the status.json that a job script reads meanwhile."""

import json
import os
import re
import signal
import threading
import time

import h5py
import numpy as np

import runner
from interrupting import N_GALAXY, InterruptTest, kill, kill_rank, wait_until

ALL_DONE, SOME_ASIDE, USAGE, INPUT, STOPPED = 0, 1, 2, 3, 4
HALF = N_GALAXY // 2
WATCHED_S = 6  # three times the time after which status.json is replaced
KEYS = {"state", "exit_code", "reason", "results", "job", "n_galaxy", "n_done", "n_set_aside", "n_left", "n_done_now",
        "galaxies_per_s", "eta_s", "started_utc", "updated_utc", "elapsed_s", "n_rank", "n_lost", "host", "pid",
        "slurm_job_id", "launch", "largest_left_s"}


class StopTest(InterruptTest):
    """Also a catalogue of which 30 galaxies are bad."""

    job_text = runner.JOB

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call("demo-catalogue", "-g", 60, "-n", 20, "-o", "rotten.hdf5")
        with h5py.File(cls.dir / "rotten.hdf5", "r+") as file:
            file["Stars/initial_masses"][:30 * 20:20] = -1.0

    def read_state(self, name):
        """status.json of a job; None while there is none."""
        try:
            return json.loads((self.dir / f"{name}.hdf5.status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def start(self, name, *options, ranks=3, row_s=0, **values):
        """Start a job of small batches."""
        self.write_job(name, self.job_text, **({"method": "direct", "max_batch": 4} | values))
        return self.start_run(name, ranks, options=options, hold=self.hold(name, row_s=row_s) if row_s else None)

    def run_job(self, name, *options, **values):
        """Exit code and output of a job."""
        return runner.finish(self.start(name, *options, **values))

    def read_status_of_rows(self, name):
        """The ledger's."""
        with h5py.File(self.dir / f"{name}.hdf5") as file:
            return file["Run/Ledger"]["status"]

    def expect_continued(self, name, ranks=3):
        """The same command without options does the rest, with the same bits."""
        self.call("run", f"{name}.yaml", ranks=ranks)
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)

    def expect_state(self, name, state, code, reason=""):
        """The last words of status.json."""
        found = self.read_state(name)
        self.assertEqual(set(found), KEYS)
        self.assertEqual((found["state"], found["exit_code"]), (state, code), found)
        self.assertIn(reason, found["reason"])
        status = self.read_status_of_rows(name)
        counted = tuple(int(np.count_nonzero(status == kind)) for kind in (1, 2, 0))
        self.assertEqual((found["n_done"], found["n_set_aside"], found["n_left"]), counted)
        self.assertEqual(found["n_galaxy"], len(status))
        return found


class EarlyEnds(StopTest):
    """Exit code 4, and the same command continues."""

    def test_max_runtime_begins_no_galaxy_after_that_time(self):
        for ranks, given in ((3, "1s"), (None, "0:00:01")):
            name = f"runtime{ranks}"
            with self.subTest(name):
                code, output = self.run_job(name, f"--max-runtime={given}", ranks=ranks, row_s=0.1)  # two seconds of rows
                self.assertEqual(code, STOPPED, output)
                found = self.expect_state(name, "stopped", STOPPED, "max-runtime")
                self.assertGreater(found["n_left"], 0)
                self.expect_continued(name)

    def test_max_runtime_that_is_long_enough_stops_nothing(self):
        for given in ("2h", "30m", "3600s", "1:30:00", "9000"):
            code, output = self.run_job("enough", "--overwrite", f"--max-runtime={given}", method="fast")
            self.assertEqual(code, ALL_DONE, output)
            self.expect_state("enough", "done", ALL_DONE)

    def test_durations_that_are_none_are_refused(self):
        for i, given in enumerate(("", "-1", "0", "1x", "nan", "1e99", "2 h", "1::0", "h")):
            with self.subTest(given):
                code, output = self.run_job(f"wrong{i}", f"--max-runtime={given}", ranks=None, method="fast")
                self.assertEqual(code, USAGE, output)
                self.assertIn("max-runtime", output)
                self.assertFalse((self.dir / f"wrong{i}.hdf5").exists())

    def test_a_stop_file_stops_the_run_and_is_removed(self):
        for ranks in (3, None):
            name = f"stop{ranks}"
            with self.subTest(name):
                stop = self.dir / f"{name}.hdf5.stop"
                code, output = self.interrupt(name, lambda _, stop=stop: stop.touch(), ranks=ranks, row_s=0.5)
                self.assertEqual(code, STOPPED, output)
                self.assertFalse((self.dir / f"{name}.hdf5.stop").exists())
                self.assertGreater(self.expect_state(name, "stopped", STOPPED, "stop file")["n_left"], 0)
                self.expect_continued(name)

    def test_a_signal_is_named_as_the_reason(self):
        code, output = self.interrupt("signal", lambda process: kill(process.pid, signal.SIGUSR1), row_s=0.1)
        self.assertEqual(code, STOPPED, output)
        self.expect_state("signal", "stopped", STOPPED, f"signal {int(signal.SIGUSR1)}")
        self.expect_continued("signal")

    def test_too_many_fails_end_the_run_with_code_3(self):
        for ranks in (3, None):
            name = f"fails{ranks}"
            with self.subTest(name):
                code, output = self.run_job(name, "--max-fails=5", ranks=ranks, catalogue="rotten.hdf5")
                self.assertEqual(code, INPUT, output)
                self.assertRegex(output, r"\b5\b")
                self.assertIn("max-fails", output)
                found = self.expect_state(name, "failed", INPUT, "max-fails")
                self.assertGreater(found["n_set_aside"], 5)
                # Those of the file count, not those of this run: continuing blindly ends at once.
                before = self.read_status_of_rows(name)
                code, output = self.run_job(name, "--max-fails=5", ranks=ranks, catalogue="rotten.hdf5")
                self.assertEqual(code, INPUT, output)
                # With the limit raised it goes on.
                code, output = self.run_job(name, "--max-fails=30", ranks=ranks, catalogue="rotten.hdf5")
                self.assertEqual(code, SOME_ASIDE, output)
                self.assertEqual(int(np.count_nonzero(self.read_status_of_rows(name) == 2)), 30)
                self.assertGreaterEqual(int(np.count_nonzero(before == 2)), 6)

    def test_fails_up_to_the_limit_are_allowed(self):
        code, output = self.run_job("allowed", "--max-fails=30", catalogue="rotten.hdf5")
        self.assertEqual(code, SOME_ASIDE, output)
        self.expect_state("allowed", "done", SOME_ASIDE)


class Parts(StopTest):
    """Some galaxies now, the others later."""

    def test_only_the_galaxies_that_are_named_are_done(self):
        # demo catalogues number their galaxies by row
        (self.dir / "ids.txt").write_text("17\n 39\n3\n", encoding="utf-8")
        for ranks, given in ((3, "3,17,39"), (None, "3,17,39"), (2, "ids.txt")):
            name = f"ids{ranks}"
            with self.subTest(given):
                code, output = self.run_job(name, f"--galaxy-ids={given}", ranks=ranks)
                self.assertEqual(code, ALL_DONE, output)
                self.assertEqual(list(np.flatnonzero(self.read_status_of_rows(name) == 1)), [3, 17, 39])
                found = self.expect_state(name, "done", ALL_DONE)
                self.assertEqual(found["n_done_now"], 3)
                code, output = self.run_job(name, f"--galaxy-ids={given}", ranks=ranks)
                self.assertEqual(code, ALL_DONE, output)
                self.assertEqual(self.read_state(name)["n_done_now"], 0)
        self.expect_continued("ids3")

    def test_galaxies_that_do_not_exist_are_named(self):
        (self.dir / "words.txt").write_text("3\nfour\n", encoding="utf-8")
        for given, part in ((f"3,{N_GALAXY}", str(N_GALAXY)), ("-7", "-7"), ("3,3", "twice"), (" ", "no ids"), ("words.txt", "four"),
                            ("nowhere.txt", "nowhere.txt")):
            with self.subTest(given):
                code, output = self.run_job("none", f"--galaxy-ids={given}", ranks=None)
                self.assertEqual(code, USAGE, output)
                self.assertIn(part, output)

    def test_at_most_so_many_galaxies_are_done(self):
        for ranks in (3, None):
            name = f"some{ranks}"
            with self.subTest(name):
                for n_more, n_done in ((20, 20), (7, 27)):
                    code, output = self.run_job(name, f"--max-galaxies={n_more}", ranks=ranks)
                    self.assertEqual(code, ALL_DONE, output)
                    self.assertEqual(int(np.count_nonzero(self.read_status_of_rows(name))), n_done)
                    self.assertEqual(self.expect_state(name, "done", ALL_DONE)["n_done"], n_done)
        self.expect_continued("some3")

    def test_numbers_that_are_none_are_refused(self):
        for option in ("max-galaxies", "max-fails"):
            for given in ("", "-1", "many", "1.5", "99999999999999999999"):
                with self.subTest(f"--{option}={given}"):
                    code, output = self.run_job("wrong", f"--{option}={given}", ranks=None)
                    self.assertEqual(code, USAGE, output)
                    self.assertIn(option, output)


class StatusFile(StopTest):
    """status.json is whole at every moment."""

    def watch(self, name, process):
        """All different states while a job runs, read as often as this machine can."""
        states, stop = [], threading.Event()

        def look():
            while not stop.is_set():
                state = self.read_state(name)  # no JSON, no test: json.loads() raises
                if state and (not states or states[-1] != state):
                    states.append(state)
                time.sleep(0.001)
        errors = []

        def guarded():
            try:
                look()
            except ValueError as error:
                errors.append(error)
        watcher = threading.Thread(target=guarded)
        watcher.start()
        code, output = runner.finish(process)
        time.sleep(0.05)
        stop.set()
        watcher.join()
        self.assertEqual(errors, [])
        return code, output, states

    def test_it_is_valid_at_every_moment_and_ends_with_the_exit_code(self):
        for ranks, n_worker in ((3, 2), (None, 1)):
            name = f"watched{ranks}"
            with self.subTest(name):
                process = self.start(name, ranks=ranks, row_s=WATCHED_S * n_worker / N_GALAXY)
                code, output, states = self.watch(name, process)
                self.assertEqual(code, ALL_DONE, output)
                course = [state["state"] for state in states]
                self.assertEqual(course, sorted(course, key=("starting", "running", "done").index))
                self.check_course(states)
                found = self.expect_state(name, "done", ALL_DONE)
                self.assertEqual((found["n_done_now"], found["n_rank"], found["n_lost"]), (N_GALAXY, ranks or 1, 0))
                self.assertEqual(found["reason"], "")
                self.assertFalse(list(self.dir.glob(f"{name}.hdf5.status.json?*")))

    def check_course(self, states):
        """What must hold of each state and of each pair of them."""
        running = [state for state in states if state["state"] == "running"]
        self.assertGreaterEqual(len(running), 2, states)
        for state in states:
            self.assertEqual(set(state), KEYS)
            self.assertEqual(state["n_done"] + state["n_set_aside"] + state["n_left"], state["n_galaxy"], state)
            for key in ("started_utc", "updated_utc"):
                self.assertTrue(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", state[key]), state[key])
            self.assertEqual(state["exit_code"] is None, state["state"] in ("starting", "running"), state)
        for before, after in zip(states, states[1:]):
            self.assertLessEqual(before["n_done"], after["n_done"])
            self.assertLessEqual(before["elapsed_s"], after["elapsed_s"])
        middle = [state for state in running if state["n_done"] > 0 and state["n_left"] > state["n_done"] / 10]
        self.assertTrue(middle, states)
        self.assertGreater(middle[0]["galaxies_per_s"], 0)
        self.assertGreater(middle[0]["eta_s"], 0)

    def test_a_killed_run_leaves_a_file_that_says_it_was_running(self):
        def act(process):
            self.assertTrue(wait_until(lambda: (self.read_state("killed") or {}).get("state") == "running", process))
            kill_rank(process, 0)
        code, _ = self.interrupt("killed", act, goes_on=False)
        self.assertNotEqual(code, ALL_DONE)
        state = self.read_state("killed")
        self.assertEqual((state["state"], state["exit_code"]), ("running", None))
        self.expect_continued("killed")
        self.expect_state("killed", "done", ALL_DONE)

    def test_a_run_that_is_refused_touches_nothing(self):
        """The results, and what the status file says of them, are those of the run before."""
        self.assertEqual(self.run_job("refused", method="fast")[0], ALL_DONE)
        files = [self.dir / "refused.hdf5", self.dir / "refused.hdf5.status.json"]
        before = [path.read_bytes() for path in files]
        for options in (["--galaxy-ids=1000000"], ["--overwrite", "--galaxy-ids=1000000"]):
            self.call("run", *options, self.dir / "refused.yaml", ranks=3, expected=USAGE)
        job = self.dir / "refused.yaml"
        job.write_text(job.read_text(encoding="utf-8").replace("fesc: 0.1", "fesc: 0.2"), encoding="utf-8")
        self.assertIn("emission.fesc", self.call("run", job, ranks=3, expected=USAGE))
        self.assertEqual([path.read_bytes() for path in files], before)

    def test_more_fails_than_allowed_are_an_error_however_late_they_come(self):
        """Also when the last galaxies are the bad ones, and when the file has them already."""
        self.call("demo-catalogue", "-g", 6, "-n", 20, "-o", "late.hdf5")
        with h5py.File(self.dir / "late.hdf5", "r+") as file:
            file["Stars/initial_masses"][-1] = -1.0
        job = self.write_job("late_fails", catalogue="late.hdf5", method="fast")
        for _ in range(2):
            self.assertIn("--max-fails", self.call("run", "--max-fails=0", job, expected=INPUT))
            self.assertEqual(self.read_state("late_fails")["state"], "failed")
        self.call("run", "--max-fails=1", job, expected=1)

    def test_a_status_file_that_cannot_be_written_costs_no_results(self):
        (self.dir / "blocked.hdf5.status.json").mkdir()
        code, output = self.run_job("blocked", method="fast")
        self.assertEqual(code, ALL_DONE, output)
        self.assertEqual(output.count("blocked.hdf5.status.json"), 1, output)
        os.rmdir(self.dir / "blocked.hdf5.status.json")


if __name__ == "__main__":
    runner.main()
