#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `polyphony check` foresees: time, memory, disk. And `polyphony simulate` from outside."""

import csv
import os
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np

import runner
import small

# The environment of whoever runs the tests must not decide.
for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_PER_TASK"):
    os.environ.pop(name, None)

UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
ROUNDING = 0.006  # of numbers with three digits


def seconds(text):
    """'3.2 ms' in seconds."""
    value, unit = text.split()
    return float(value) * UNITS_S[unit]


def find(pattern, output):
    """The groups of the one place where the pattern is."""
    found = re.findall(pattern, output)
    assert len(found) == 1, f"{len(found)} times '{pattern}' in\n{output}"
    return found[0]


class CheckTest(small.SmallTest):
    """A job of three galaxies, one of them done by another run."""

    def check(self, job, *options, expected=0):
        return self.call("check", *options, job, expected=expected)

    def write_ledger(self, name, measured_s):
        """A job and its results file, as if its galaxies had taken so long; NaN: not done."""
        job = self.job(name)
        self.call("run", job)
        with h5py.File(self.dir / f"{name}.hdf5", "r+") as file:
            ledger = file["Run/Ledger"][()]
            ledger["seconds"] = np.nan_to_num(measured_s)
            ledger["status"] = np.isfinite(measured_s)
            file["Run/Ledger"][...] = ledger
        return job

    def test_time_is_that_of_the_work_or_of_the_largest_galaxy(self):
        job = self.write_ledger("measured", [1.0, 7.0, 4.0])
        output = self.check(job, "--workers=1,2,300")
        self.assertIn("12 s of one rank, galaxy 1 alone takes 7 s (measured for 3 galaxies of 'measured.hdf5')", output)
        self.assertIn("1 worker: 12 s\n", output)
        self.assertIn("2 workers: 7 s, for the largest galaxy alone\n", output)
        self.assertIn("300 workers: 7 s, for the largest galaxy alone\n", output)
        self.assertIn("more than 2 workers are useless", output)

    def test_the_histogram_counts_every_galaxy_and_all_of_the_time(self):
        job = self.write_ledger("spread", [0.02, 0.03, 0.45])
        output = self.check(job)
        self.assertIn("10 ms to 100 ms            2 galaxies   10.0 % of the time  ####\n", output)
        self.assertIn("100 ms to 1 s               1 galaxies   90.0 % of the time  " + 36 * "#" + "\n", output)

    def test_galaxies_that_are_not_done_are_predicted_from_those_that_are(self):
        job = self.write_ledger("partly", [2.0, 2.0, np.nan])
        output = self.check(job)  # all have 20 stars
        total = seconds(find(r"time +(\S+ \S+) of one rank", output))
        self.assertAlmostEqual(total, 6.0, delta=6.0 * ROUNDING)
        self.assertIn("measured for 2 galaxies", output)

    def test_without_results_the_time_is_a_guess_that_threads_shorten(self):
        outputs = [self.check(self.job("guess", ("threads: 1", f"threads: {n}"))) for n in (1, 4)]
        times = [seconds(find(r"time +(\S+ \S+) of one rank", output)) for output in outputs]
        self.assertGreater(times[0], 2.0 * times[1])

    def test_the_disk_holds_what_is_written(self):
        job = self.job("disk")
        output = self.check(job)
        number, unit = find(r"disk +(\S+) (\S?B) for the results", output)
        foreseen = float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
        self.call("run", job)
        with h5py.File(self.dir / "disk.hdf5") as file:
            items = []
            file.visititems(lambda _, item: items.append(item))
            written = sum(item.id.get_storage_size() for item in items
                          if isinstance(item, h5py.Dataset) and item.shape[:1] == (3,) and not item.is_virtual)
        self.assertAlmostEqual(foreseen, written, delta=0.02 * written)

    def test_results_that_do_not_fit_are_refused(self):
        results = Path("/dev/shm/polyphony-test-check.hdf5")  # memory: smaller than 8 TB anywhere
        self.call("demo-catalogue", "-g", 20000, "-n", 1, "-o", "many.hdf5")
        job = self.job("pixels", ("  sfzh: {}", "  images_luminosity: {fov_kpc: 60, labels: [all]}"),
                       ("catalogue.hdf5", "many.hdf5"), ("resolution_arcsec: 0.1", "resolution_arcsec: 0.0095"),
                       output=results)
        output = self.check(job, expected=small.OUTPUT)
        self.assertRegex(output, r"the results need \S+ .B, its file system has \S+ .B free: free another \S+ .B")
        self.assertFalse(results.exists())

    def test_memory_counts_the_rows_of_a_group(self):
        """Rows of images, 8 filters of 1000 x 1000 pixels: for each thread one, and one of a galaxy alone; no group
        where they do not fit, but for a galaxy alone there is always room."""
        row = 8 * 1000**2 * 8e-6
        one, two = (self.memory_of_images(f"rows_{n}", f"threads: {n}\n") for n in (1, 2))
        self.assertGreater(one, 2 * row)
        self.assertAlmostEqual(two - one, row, delta=0.25 * row)  # a thread has some scratch for pixels, too
        little = self.memory_of_images("rows_little", f"threads: 2\nmemory_mb: {1.9 * row:.0f}\n")
        self.assertGreater(little, row)
        self.assertLess(little, two - row)

    def memory_of_images(self, name, lines):
        """MB of a rank."""
        job = self.job(name, ("  sfzh: {}", "  images_luminosity: {fov_arcsec: 100, labels: [emergent]}"),
                       ("threads: 1\n", lines))
        return float(find(r"(\S+) MB a rank that computes", self.check(job)))

    def test_memory_counts_the_ranks_of_a_node(self):
        job = self.job("memory")
        one = self.check(job, "--ranks-per-node=1")
        nine = self.check(job, "--ranks-per-node=9")
        self.assertIn(" a node of 1 rank: ", one)
        rank = float(find(r"(\S+) MB a rank that computes", one))
        node = [float(find(r"memory +(\S+) MB a node", output)) for output in (one, nine)]
        dealer = float(find(r"(\S+) MB rank 0", nine))
        self.assertAlmostEqual(node[1] - node[0], 7 * rank + dealer, delta=10 * node[1] * ROUNDING)

    def test_what_slurm_gives_is_what_a_rank_may_use(self):
        job = self.job("slurm")
        for variables, expected in (({"SLURM_MEM_PER_NODE": "2048"}, "537 MB here (SLURM's memory per node)"),
                                    ({"SLURM_MEM_PER_CPU": "100", "SLURM_CPUS_PER_TASK": "4"},
                                     "419 MB here (SLURM's memory per cpu)")):
            done = subprocess.run([self.program, "check", "--ranks-per-node=4", job], cwd=self.dir, text=True,
                                  check=True, env=os.environ | variables, stdout=subprocess.PIPE)
            self.assertIn(f"a rank may use {expected}\n", done.stdout)

    def test_wrong_options_are_refused(self):
        job = self.job("options")
        for option, part in (("--workers=8,x", "'x'"), ("--workers=0", "'0'"), ("--workers=", "''"),
                             ("--ranks-per-node=0", "'0'")):
            self.assertIn(part, self.check(job, option, expected=small.USAGE))


class SimulateTest(small.SmallTest):
    """The table of `polyphony simulate`."""

    def simulate(self, *arguments, expected=0):
        return self.call("simulate", *arguments, expected=expected)

    def read_csv(self, *arguments):
        self.simulate(*arguments, "--csv=table.csv")
        with open(self.dir / "table.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def test_each_mode_and_number_of_workers_has_a_row(self):
        rows = self.read_csv(self.job("rows"), "--workers=1,3", "--modes=all")
        modes = ("dynamic", "static-block", "static-cyclic", "static-lpt")
        self.assertEqual([(row["workers"], row["mode"]) for row in rows], [(n, mode) for n in "13" for mode in modes])

    def test_the_mode_is_that_of_the_job_unless_another_is_asked_for(self):
        job = self.job("mode", ("progress: no", "schedule: {mode: static-lpt}\nprogress: no"))
        self.assertEqual({row["mode"] for row in self.read_csv(job)}, {"static-lpt"})
        self.assertEqual({row["mode"] for row in self.read_csv(job, "--modes=static-block,dynamic")},
                         {"static-block", "dynamic"})

    def test_one_worker_takes_all_of_the_work_and_what_surrounds_it(self):
        with_files, = self.read_csv("untouched.yaml", "--workers=1", "--bandwidth-gb-s=1", "--start-up-s=3")
        row, = self.read_csv("untouched.yaml", "--workers=1", "--bandwidth-gb-s=0", "--latency-us=0", "--service-us=0")
        self.assertAlmostEqual(float(row["wall_s"]), float(row["total_s"]), delta=1e-3 * float(row["total_s"]))
        self.assertGreater(float(with_files["wall_s"]), 3.0 + float(row["wall_s"]))

    def test_measured_seconds_of_another_file_are_taken(self):
        rows = self.read_csv(self.job("from"), "--costs=untouched.hdf5", "--workers=1")
        with h5py.File(self.dir / "untouched.hdf5") as file:
            total = file["Run/Ledger"]["seconds"].sum()
        self.assertAlmostEqual(float(rows[0]["total_s"]), total, delta=1e-5 * total)
        guessed = self.read_csv("from.yaml", "--costs=untouched.hdf5", "--workers=1", "--guess")
        self.assertEqual(guessed[0]["total_s"], rows[0]["total_s"])  # galaxies take what they take

    def test_a_million_galaxies_that_nobody_has_are_made(self):
        output = self.simulate(self.job("schechter"), "--schechter=1000000", "--workers=64,4096", "--bandwidth-gb-s=0")
        self.assertIn("galaxies    1000000: ", output)
        self.assertRegex(output, r"\n +64  dynamic .* work\n")
        self.assertRegex(output, r"More than \d+ workers buy nothing: the largest galaxy alone takes ")

    def test_scatter_changes_the_times_and_twice_the_same(self):
        job = self.job("scatter")
        plain, once, again = (self.read_csv(job, "--workers=2", *more) for more in ((), *2 * (("--scatter=0.5",),)))
        self.assertNotEqual(plain[0]["total_s"], once[0]["total_s"])
        self.assertEqual(once, again)

    def test_wrong_arguments_are_refused(self):
        job = self.job("wrong")
        for code, arguments, part in (
                (small.USAGE, ("--modes=fast",), "'fast'"), (small.USAGE, ("--workers=1,,2",), "''"),
                (small.USAGE, ("--latency-us=-1",), "'-1'"), (small.USAGE, ("--schechter=1.5",), "'1.5'"),
                (small.USAGE, ("--scatter=much",), "'much'"), (small.INPUT, ("--costs=nowhere.hdf5",), "nowhere.hdf5"),
                (small.INPUT, ("--costs=catalogue.hdf5",), "catalogue.hdf5"),
                (small.USAGE, ("--costs=untouched.hdf5", "--schechter=10"), "no trace file"),
                (small.OUTPUT, ("--csv=nowhere/table.csv",), "nowhere/table.csv")):
            output = self.simulate(job, *arguments, expected=code)
            self.assertIn(part, output)
        self.assertIn("which job file?", self.simulate(expected=small.USAGE))


if __name__ == "__main__":
    runner.main()
