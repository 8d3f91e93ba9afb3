#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation costs: one file and one row of a list. That of operation.c is not among the sources; a program that is
linked with it knows it everywhere."""

import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import interrupting  # pylint: disable=wrong-import-position
import runner  # pylint: disable=wrong-import-position

HERE = Path(__file__).resolve().parent
LINES_MAX = 100
USAGE = 2
JOB = """\
catalogue: catalogue.hdf5
grid: grid.hdf5
output: {name}.hdf5
threads: 1
operations:
  mean_age: {options}
  spectra: {{labels: [intrinsic]}}
"""


class Operation(runner.ProgramTest):
    """From the job file to the verified results."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call("demo-grid", "--nages=4", "--nmetallicities=3", "--nwavelengths=300")
        cls.call("demo-catalogue", "--nparticles=200", "--ngalaxies=12", "--seed=3")

    def job(self, name, options="{}"):
        """A job file."""
        (self.dir / f"{name}.yaml").write_text(JOB.format(name=name, options=options))
        return f"{name}.yaml"

    def expected(self, power):
        """By the definition."""
        with h5py.File(self.dir / "catalogue.hdf5") as file:
            first, length = file["Stars/offset"][()], file["Stars/length"][()]
            mass, age_yr = file["Stars/initial_masses"][()], file["Stars/ages"][()]
        part = [slice(f, f + n) for f, n in zip(first, length)]
        return [np.average(age_yr[p] ** power, weights=mass[p]) ** (1 / power) for p in part]

    def test_it_takes_one_short_file(self):
        self.assertLess(len((HERE / "operation.c").read_text().splitlines()), LINES_MAX)

    def test_the_template_and_messages_know_it(self):
        self.assertIn("  mean_age: ", self.call("init"))
        self.assertIn("did you mean 'power'", self.call("check", self.job("typo", "{powre: 2}"), expected=USAGE))
        self.assertIn("operations.mean_age.power: -1 is too small",
                      self.call("check", self.job("negative", "{power: -1}"), expected=USAGE))
        self.assertIn("rest-frame spectra, mean ages", self.call("check", self.job("good")))

    def test_the_list_of_operations_has_it_and_the_documentation_all_others(self):
        rows = self.call("operations").splitlines()
        own = [row for row in rows if "mean_age" in row]
        self.assertEqual(len(own), 1)
        self.assertIn("| `Galaxies/Stars/MeanAge` | (G,) | yr |", own[0])
        documented = (runner.ROOT / "docs/formats.md").read_text().splitlines()
        self.assertEqual([row for row in rows if row not in own and row not in documented], [])

    def test_three_ranks_a_stop_and_a_continuation_give_what_one_gives(self):
        self.call("run", self.job("one", "{power: 2}"))
        self.call("run", "--max-galaxies", 5, self.job("three", "{power: 2}"), ranks=3)
        self.call("run", "three.yaml", ranks=3)
        self.call("verify", "three.hdf5")
        self.expect_same(runner.read_bytes(self.dir / "three.hdf5"), runner.read_bytes(self.dir / "one.hdf5"), "three")
        with h5py.File(self.dir / "one.hdf5") as file:
            found = file["Galaxies/Stars/MeanAge"]
            np.testing.assert_allclose(found[()], self.expected(2), rtol=1e-13)
            self.assertEqual(found.attrs["Units"], "yr")
        self.assertRegex(self.call("run", "--overwrite", "one.yaml"), r"Mean ages +[0-9.]+ .* 12\n")


class Killed(interrupting.InterruptTest):
    """With a run that nobody disturbs as reference."""

    job_text = interrupting.JOB.replace("  sfzh: {{}}\n", "  sfzh: {{}}\n  mean_age: {{power: 2}}\n")

    def test_a_run_that_was_killed_goes_on_to_the_same_bits(self):
        self.assertIn("Galaxies/Stars/MeanAge", self.reference)
        self.interrupt("killed", interrupting.kill_all, goes_on=False)
        self.expect_complete("killed")


if __name__ == "__main__":
    runner.main()
