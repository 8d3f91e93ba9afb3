# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiling scripts on inputs made by hand."""

import csv
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/scripts"))
from made_trace import MadeTrace, make_trace  # noqa: E402
import profiling  # noqa: E402
from profiling import Operation, ProfilingError  # noqa: E402
from profiling_run import note_others  # noqa: E402
from scripting import run_script  # noqa: E402

STARS = (100, 500, 1000, 5000, 10000, 100000)
ANALYSES = {  # script: what it writes
    "timing": ("timing_bars.png", "timing.md", "timing_table.csv"),
    "timing_scaling": ("timing_scaling.png", "timing_scaling.md", "timing_scaling.csv"),
    "memory": ("memory_progress.png",),
    "memory_scaling": ("memory_scaling.png", "memory_scaling.md", "memory_scaling.csv"),
}


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


class ProfileTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="polyphony-profile-")
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)

    def analyse(self, kind, inputs, labels, *more, expected=0):
        return run_script(f"analyse_{kind}.py", "--inputs", *inputs, "--labels", *labels, "--output-dir",
                          self.dir / "out", *more, expected=expected)

    def make_inputs(self, kind, n):
        """n CSVs: totals 2, 4, 8 … s of which images take 3/4, or peaks of 100, 200, 400 … MB."""
        paths = [self.dir / f"{kind}{i}.csv" for i in range(n)]
        for i, path in enumerate(paths):
            if kind.startswith("timing"):
                profiling.write_timing(path, [Operation("Flux Images", 1.5 * 2**i, 10),
                                              Operation("SFH", 0.47 * 2**i, 10),
                                              Operation("Reading", 0.03 * 2**i, 10)])
            else:
                profiling.write_memory(path, [0, 1e6, 3e6], np.array([10, 100 * 2**i, 50]) * profiling.BYTES_PER_MB)
        return paths


class Csvs(ProfileTest):
    def test_timing_has_the_peers_columns_types_and_order(self):
        trace = profiling.read_trace(make_trace(self.dir / "t.hdf5", n_rank=3))
        profiling.write_timing(self.dir / "timing.csv", profiling.sum_operations(trace))
        lines = (self.dir / "timing.csv").read_text().splitlines()
        self.assertEqual(lines[0], "operation,seconds,count,source")
        for row in read_csv(self.dir / "timing.csv")[1:]:
            self.assertIn(row[0], trace.stages)
            self.assertGreater(float(row[1]), 0.0)
            self.assertGreater(int(row[2]), 0)
            self.assertEqual(row[3], "C")

    def test_memory_has_the_peers_columns_and_times_in_ms(self):
        profiling.write_memory(self.dir / "m.csv", [0, 1_500_000], [1 << 20, 3 << 19])
        self.assertEqual((self.dir / "m.csv").read_text(),
                         "timestamp_ms,rss_mb\n0.000000,1.000000\n1.500000,1.500000\n")

    def test_what_is_written_is_read_again(self):
        rows = [Operation("SFH", 0.125, 3), Operation("Flux Images", 2.5, 10)]
        profiling.write_timing(self.dir / "t.csv", rows)
        self.assertEqual(profiling.read_timing(self.dir / "t.csv"), rows)
        profiling.write_memory(self.dir / "m.csv", [5_000_000, 7_000_000], [1 << 20, 2 << 20])
        for got, expected in zip(profiling.read_memory(self.dir / "m.csv"), ([5.0, 7.0], [1.0, 2.0])):
            np.testing.assert_array_equal(got, expected)

    def test_operations_sum_over_ranks_and_those_that_never_ran_are_left_out(self):
        made = MadeTrace(3)
        made.add_galaxy(1, 0, {"SFH": 0.25})
        made.add_galaxy(2, 1, {"SFH": 0.5})
        trace = profiling.read_trace(made.write(self.dir / "t.hdf5"))
        found = {row.name: row for row in profiling.sum_operations(trace)}
        self.assertEqual((found["SFH"].seconds, found["SFH"].count), (0.75, 2))
        self.assertNotIn("SFZH", found)

    def test_memory_of_ranks_is_summed_as_steps(self):
        time_ns, total = profiling.sum_rss([(np.array([0, 10, 30]), np.array([1, 5, 2])),
                                            (np.array([5, 10, 40]), np.array([100, 200, 50])),
                                            (np.array([]), np.array([]))])
        np.testing.assert_array_equal(time_ns, [0, 5, 10, 30, 40])
        np.testing.assert_array_equal(total, [1, 101, 205, 202, 52])

    def test_a_run_without_samples_sums_to_nothing(self):
        self.assertEqual(len(profiling.sum_rss([])[0]), 0)


class Labels(unittest.TestCase):
    def test_labels_with_room_stay_and_others_part_evenly(self):
        np.testing.assert_allclose(profiling.spread([0.1, 0.9], 0.1, 0, 1), [0.1, 0.9])
        np.testing.assert_allclose(profiling.spread([0.5, 0.5], 0.1, 0, 1), [0.45, 0.55])

    def test_labels_keep_their_order_gap_and_limits(self):
        wanted = np.random.default_rng(1).uniform(0.9, 1.0, 9)
        places = profiling.spread(wanted, 0.1, 0.0, 1.0)
        self.assertEqual(list(np.argsort(places)), list(np.argsort(wanted)))
        self.assertGreaterEqual(np.diff(np.sort(places)).min(), 0.1 - 1e-12)  # rounding
        self.assertLessEqual(places.max(), 1.0 + 1e-12)

    def test_a_run_disturbed_by_others_is_noted(self):
        self.assertIn("other programs used 9.0 s", note_others(10.0, 1.0, 1.0))
        self.assertEqual(note_others(1.0, 1.0, 10.0), "")


class Analyses(ProfileTest):
    def test_each_runs_on_one_two_and_six_inputs(self):
        for kind, names in ANALYSES.items():
            inputs = self.make_inputs(kind, 6)
            for n in (1, 2, 6):
                with self.subTest(kind=kind, n=n):
                    self.analyse(kind, inputs[:n], STARS[:n])
                    for name in names:
                        self.assertGreater((self.dir / "out" / name).stat().st_size, 20)
                        (self.dir / "out" / name).unlink()

    def test_plots_come_as_vectors_too(self):
        for form, magic in (("pdf", b"%PDF"), ("svg", b"<?xml")):
            self.analyse("memory", self.make_inputs("memory", 2), (1, 2), "--format", form)
            self.assertEqual((self.dir / f"out/memory_progress.{form}").read_bytes()[:len(magic)], magic)

    def test_memory_table_has_peaks_and_both_factors_in_order_of_particles(self):
        inputs = self.make_inputs("memory", 3)
        self.analyse("memory_scaling", inputs[::-1], (1000, 500, 100))
        rows = read_csv(self.dir / "out/memory_scaling.csv")[1:]
        self.assertEqual(rows, [["100", "100.0", "1.000", "-"], ["500", "200.0", "2.000", "2.000"],
                                ["1000", "400.0", "4.000", "2.000"]])

    def test_timing_scaling_has_what_takes_5_percent_and_the_total(self):
        self.analyse("timing_scaling", self.make_inputs("timing", 2), (100, 200))
        rows = read_csv(self.dir / "out/timing_scaling.csv")
        self.assertEqual(rows[0], ["particles", "Total [s]", "scaling factor", "Flux Images [s]", "SFH [s]"])
        self.assertEqual(rows[2], ["200", "4.0000", "2.000", "3.0000", "0.9400"])

    def test_timing_table_has_shares_and_totals(self):
        self.analyse("timing", self.make_inputs("timing", 1), ("a|b",))
        self.assertEqual(read_csv(self.dir / "out/timing_table.csv")[1:],
                         [["Flux Images", "1.5000", "75.0"], ["SFH", "0.4700", "23.5"], ["Reading", "0.0300", "1.5"],
                          ["Total", "2.0000", "100.0"]])
        self.assertIn("a\\|b [s]", (self.dir / "out/timing.md").read_text())

    def test_a_file_of_the_peer_is_accepted(self):
        (self.dir / "p.csv").write_text("operation,seconds,count,source\nPipeline._get_spectra,1.5,10.0,Python\n")
        (self.dir / "q.csv").write_text("timestamp_ms,rss_mb\n0,10\n1,20\n")
        for kind in ANALYSES:
            self.analyse(kind, [self.dir / ("p.csv" if kind.startswith("timing") else "q.csv")], [100])
        self.assertEqual(read_csv(self.dir / "out/timing_scaling.csv"),
                         [["particles", "Total [s]", "scaling factor", "Pipeline._get_spectra [s]"],
                          ["100", "1.5000", "1.000", "1.5000"]])

    def test_one_sample_is_enough(self):
        profiling.write_memory(self.dir / "m.csv", [7], [1 << 20])
        for kind in ("memory", "memory_scaling"):
            self.assertNotIn("Warning", self.analyse(kind, [self.dir / "m.csv"], [100]))


class Errors(ProfileTest):
    def test_wrong_csvs_are_named_with_exit_code_3(self):
        good = {"timing": "operation,seconds,count,source\n", "memory": "timestamp_ms,rss_mb\n"}
        wrong = {"timing": ["", good["timing"], "a,b\n1,2\n",
                            good["timing"] + "SFH,x,1,C\n", good["timing"] + "SFH,1\n",
                            good["timing"] + "SFH,nan,1,C\n", good["timing"] + "SFH,-1,1,C\n", "\x00\x01"],
                 "memory": ["", good["memory"], good["memory"] + "1,inf\n", good["memory"] + "2,1\n1,1\n",
                            good["memory"] + "0,0\n"]}
        for kind in ANALYSES:
            for i, text in enumerate(wrong[kind.split("_")[0]]):
                path = self.dir / f"wrong_{kind}_{i}.csv"
                path.write_text(text)
                with self.subTest(kind=kind, text=text):
                    output = self.analyse(kind, [path], [100], expected=3)
                    self.assertIn(path.name, output)
                    self.assertEqual(output.count("\n"), 1)
            self.assertIn("no.csv", self.analyse(kind, [self.dir / "no.csv"], [100], expected=3))

    def test_binary_files_are_no_csvs(self):
        (self.dir / "b.csv").write_bytes(b"\xff\xfe\x00\x80" * 50)
        self.analyse("timing", [self.dir / "b.csv"], [1], expected=3)

    def test_labels_must_fit(self):
        inputs = self.make_inputs("memory", 2)
        for labels in ((1,), (1, 2, 3), ("few", 2), (0, 2), (5, 5)):
            with self.subTest(labels=labels):
                for kind in ("memory_scaling", "timing_scaling"):
                    self.assertEqual(self.analyse(kind, inputs, labels, expected=2).count("\n"), 1)
        for kind in ("memory", "timing"):
            self.assertIn("2 inputs and 1 labels", self.analyse(kind, inputs, (1,), expected=2))

    def test_a_directory_that_cannot_be_made_gives_5(self):
        (self.dir / "out").write_text("a file")
        self.analyse("memory", self.make_inputs("memory", 1), (1,), expected=5)

    def test_wrong_arguments_give_2(self):
        for arguments in (("--nparticles", 0), ("--ngalaxies", -1), ("--fov-kpc", "nan"), ("--ranks", 0),
                          ("--basename", "a/b"),
                          ("--polyphony", self.dir / "none"), ("--nthreads", "x")):
            with self.subTest(arguments=arguments):
                run_script("profile_timing.py", "--out_dir", self.dir, *arguments, expected=2)
        for frequency in (0, 5001):
            for script, name in (("profile_memory.py", "--sample-freq"), ("profile_timing.py", "--trace-frequency")):
                # Any file is a program here: the check must not depend on a build beside the scripts.
                output = run_script(script, "--out_dir", self.dir, "--polyphony", sys.executable, name, frequency,
                                    expected=2)
                self.assertIn(name, output.splitlines()[0])

    def damage(self, change):
        path = make_trace(self.dir / "t.hdf5", n_rank=2)
        with h5py.File(path, "r+") as file:
            change(file)
        with self.assertRaises(ProfilingError) as caught:
            profiling.read_trace(path)
        self.assertIn(str(path), str(caught.exception))
        self.assertEqual(caught.exception.code, 3)

    def test_damaged_traces_are_refused(self):
        def column(table, name, value):
            def change(file):
                rows = file[table][()]
                rows[name][-1] = value
                file[table][...] = rows
            return change
        changes = [lambda f: f.attrs.__setitem__("format", "other"), lambda f: f.attrs.__setitem__("version", 2),
                   lambda f: f.attrs.__delitem__("wall_ns"), lambda f: f.__delitem__("Spans"),
                   lambda f: f.__delitem__("Schedule"),
                   lambda f: f.attrs.__setitem__("n_rank", 3), lambda f: f.attrs.__setitem__("sample_hz", "many"),
                   lambda f: f["Schedule"].attrs.__delitem__("fit_seconds_per_cost"), column("Ranks", "n_span", 2**63),
                   column("Ranks", "first_rss", 1), column("Spans", "stage", 99), column("Spans", "rank", 0),
                   column("Schedule", "rank", -1), column("Ranks", "rank", 7)]
        for i, change in enumerate(changes):
            with self.subTest(i=i):
                self.damage(change)

    def test_other_files_are_no_traces(self):
        (self.dir / "text").write_text("hello")
        for path in (self.dir / "none", self.dir / "text", self.dir):
            with self.assertRaises(ProfilingError):
                profiling.read_trace(path)


if __name__ == "__main__":
    # The program is given to every test of this suite.
    unittest.main(argv=sys.argv[:1] + [word for word in sys.argv[1:] if not Path(word).is_file()], verbosity=1)
