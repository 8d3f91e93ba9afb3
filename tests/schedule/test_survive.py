#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks that are killed, stopped or silent while the others go on: survive_mpi under mpirun --enable-recovery.

    test_survive.py PATH/survive_mpi
"""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IN_ENV = ["bash", "-c", '. "$0" && exec "$@"', str(ROOT / "scripts/env.sh")]
LONGEST_S = 55  # survive_mpi ends itself after 50 s


class SurviveTest(unittest.TestCase):
    """One scenario a test; survive_mpi.c says what must hold in it."""

    program = None  # path, from the command line

    def run_scenario(self, name, *options):
        """What mpirun prints. Its exit code is 0 whatever happens, and it may hang: it is killed when time is up."""
        with tempfile.TemporaryDirectory(prefix="polyphony-survive-") as directory:
            command = ["mpirun", "--enable-recovery", *options, "-n", "4", self.program, name, f"{directory}/book"]
            process = subprocess.Popen(IN_ENV + command, start_new_session=True, text=True, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT)
            try:
                output, _ = process.communicate(timeout=LONGEST_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
        return output

    def expect_well(self, name, n_lost, *options):
        """The scenario ends well, and so many ranks were missed."""
        output = self.run_scenario(name, *options)
        self.assertIn(f"{name}: all as it should be", output, output)
        self.assertEqual(output.count("counts as lost"), n_lost, output)

    def test_nobody_is_missed_when_all_live(self):
        self.expect_well("nothing", 0)

    def test_the_rows_of_a_rank_that_exits_are_done_by_others(self):
        self.expect_well("exit", 1)

    def test_the_rows_of_a_rank_that_is_killed_are_done_by_others(self):
        self.expect_well("kill", 1)

    def test_a_beat_to_a_dead_rank_does_not_keep_the_others_from_theirs(self):
        # Over TCP a message to a rank that is gone is never sent: whoever waits for it waits for ever.
        self.expect_well("kill-early", 1, "--mca", "btl", "tcp,self")

    def test_the_row_that_killed_a_rank_is_set_aside(self):
        self.expect_well("kill-and-set-aside", 1)

    def test_rows_that_were_in_hand_together_are_done_by_others_one_at_a_time(self):
        self.expect_well("kill-with-many", 1)

    def test_one_worker_that_is_left_does_everything(self):
        self.expect_well("kill-two", 2)

    def test_without_workers_the_run_is_stopped(self):
        self.expect_well("kill-all-workers", 3)

    def test_a_rank_that_was_stopped_begins_nothing_when_it_wakes(self):
        self.expect_well("stop", 1)

    def test_a_rank_that_wakes_after_the_end_begins_nothing_either(self):
        self.expect_well("late", 1)

    def test_nobody_is_missed_when_all_were_suspended(self):
        self.expect_well("suspend-all", 0)

    def test_workers_end_when_rank_0_is_gone(self):
        output = self.run_scenario("kill-dealer")
        self.assertEqual(output.count("rank 0 has been silent for"), 3, output)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_survive.py PATH/survive_mpi [unittest arguments]")
    SurviveTest.program = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
