#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/bench.sh --quick from beginning to end, and what bench_instructions.py makes of callgrind's output."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import bench_instructions  # noqa: E402  pylint: disable=wrong-import-position

USAGE, INPUT = 2, 3
ANNOTATED = """\
--------------------------------------------------------------------------------
34,300,414 (100.0%)  PROGRAM TOTALS
--------------------------------------------------------------------------------
9,521,498 (27.76%)  /src/src/kernels/deposit.c:deposit_smoothed._omp_fn.0 [/build/polyphony]
  500,000 ( 1.46%)  ../src/kernels/deposit.c:scan [/build/polyphony]
   60,000 ( 0.17%)  ../src/kernels/fast/eight.h:scan [/build/polyphony]
   20,000 ( 0.06%)  /usr/lib/gcc/x86_64-linux-gnu/12/include/fmaintrin.h:scan [/build/polyphony]
    3,000 ( 0.01%)  /usr/lib/gcc/x86_64-linux-gnu/12/include/emmintrin.h:H5Z_filter [/usr/lib/x86_64-linux-gnu/libhdf5_openmpi.so]
1,393,131 ( 4.06%)  ./math/../sysdeps/ieee754/dbl-64/e_exp.c:exp@@GLIBC_2.29 [/usr/lib/x86_64-linux-gnu/libm.so.6]
4,000,000 (11.66%)  ???:H5D_write [/usr/lib/x86_64-linux-gnu/libhdf5_openmpi.so]
    7,000 ( 0.02%)  ./src/H5Dio.c:H5Dwrite [/usr/lib/x86_64-linux-gnu/libhdf5_openmpi.so]
"""


class BenchTest(unittest.TestCase):
    """A directory for figures."""

    program = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="polyphony-bench-")
        cls.dir = Path(cls.directory.name)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def bench(self, *arguments, expected=0):
        """Run it; standard output and error."""
        done = subprocess.run([ROOT / "scripts/bench.sh", "--polyphony", self.program, "--out", self.dir, *arguments],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, expected, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout, done.stderr

    def test_all_parts_are_measured_stored_and_printed(self):
        tables, _ = self.bench("--quick", "--table")
        figures = {name: json.loads((self.dir / f"{name}.json").read_text()) for name in ("kernels", "runs", "growth")}
        for figure in figures.values():
            self.assertLessEqual({"cpu", "cores", "program", "date", "commit", "load_1min", "quick"},
                                 figure["run"].keys())
        rates = {entry["what"]: entry for entry in figures["kernels"]["machine"]}
        for what in ("mul + add, baseline", "triad, from memory", "triad, within L2", "writing a file, to the disk"):
            self.assertGreater(rates[what]["one_thread"], 1e6, what)
        races = [entry for entry in figures["kernels"]["kernels"] if "variant" in entry]
        self.assertIn("mix", {race["kernel"] for race in races})
        for race in races:
            self.assertGreater(race["seconds"], 0.0)
            self.assertGreater(race["n"], 0.0)
        runs = {(run["n_star"], run["method"], run["threads"]) for run in figures["runs"]["runs"]}
        self.assertLessEqual({(100, "fast", 1), (1000, "direct", figures["runs"]["run"]["threads"])}, runs)
        for run in figures["runs"]["runs"]:
            self.assertGreater(run["stages_s"]["Lnu Spectra"], 0.0)
            self.assertGreater(run["wall_s"], run["galaxies_s"])
        self.assertEqual([series["what"] for series in figures["growth"]["series"]],
                         ["particles", "galaxies", "wavelengths", "filters", "pixels"])
        for heading in ("### Machine", "### Kernels", "### Whole runs", "### Stages", "### Growth"):
            self.assertIn(heading, tables)
        self.assertEqual(self.bench("--stored")[0], tables)
        self.assertEqual(list(self.dir.glob("*.hdf5")), [])

    def test_wrong_words_are_refused(self):
        _, error = self.bench("--only", "kernel", expected=USAGE)
        self.assertIn("'kernel' is no part", error)
        _, error = self.bench("--stored", "--out", str(self.dir / "none"), expected=INPUT)
        self.assertIn("measure first", error)


class InstructionsTest(unittest.TestCase):
    """Without valgrind."""

    def test_our_own_code_and_libm_are_counted_and_what_is_inlined_where_it_is(self):
        self.assertEqual(bench_instructions.parse_counts(ANNOTATED),
                         {"kernels/deposit.c": 10101498, "libm": 1393131})

    def test_more_than_five_percent_is_seen_either_way(self):
        recorded = {"all": 1000, "a.c": 800, "b.c": 190, "c.c": 9}
        self.assertEqual(bench_instructions.compare({"all": 1040, "a.c": 830, "b.c": 199, "c.c": 8}, recorded), [])
        found = bench_instructions.compare({"all": 1000, "a.c": 750, "b.c": 200, "d.c": 50}, recorded)
        self.assertEqual([line.split(":")[0] for line in found], ["a.c", "b.c", "d.c"])


if __name__ == "__main__":
    BenchTest.program = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
