# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling analysis and export on traces made by hand, and a study with the real program if its path is given."""

import csv
import gzip
import json
import sys
import tempfile
import unittest
from unittest import mock
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
# made_trace puts scripts/ on the path.
from made_trace import MadeTrace, OPENING_NS, START_NS, make_trace  # noqa: E402
import export_trace  # noqa: E402
from profiling import ProfilingError, plt, read_trace, use_house_style  # noqa: E402
from scaling_catalogue import list_tail  # noqa: E402
from scaling_measures import (bin_rss, bin_time, collect_galaxies, compare_runs, count_cpus, fit_costs,  # noqa: E402
                              measure_run, measure_utilisation)
import scaling_timeline  # noqa: E402
from scaling_timeline import plot_galaxies, plot_stages  # noqa: E402
from scripting import run_script  # noqa: E402

OPENED_NS = START_NS + OPENING_NS  # first galaxy of a made trace
PROGRAM = None  # path, from the command line


def setUpModule():  # noqa: N802
    """Figures are laid out as the scripts do it."""
    use_house_style()


class ScalingTest(unittest.TestCase):
    """A directory for each test."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="polyphony-scaling-")
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)
        self.addCleanup(plt.close, "all")

    def write(self, made, name="made"):
        """Path of a trace file."""
        return made.write(self.dir / f"{name}.trace.hdf5")

    def measure(self, made, label="made"):
        """Run of a trace in the making."""
        return measure_run(read_trace(self.write(made, label)), label)

    def make_run(self, label, seconds, n_thread=1):
        """Run of workers with galaxies of so many seconds each: [[1.0, 2.0], [3.0]] are two workers."""
        made = MadeTrace(len(seconds) + 1, n_thread)
        row = 0
        for worker, galaxies in enumerate(seconds, start=1):
            for galaxy_s in galaxies:
                # Three quarters in one stage and one in another: sums must take both.
                made.add_galaxy(worker, row, {"LOS optical depths": 0.75 * galaxy_s, "Writing": 0.25 * galaxy_s})
                row += 1
        made.wait_for_all()
        return self.measure(made, label)


class MeasuresOfOneRun(ScalingTest):
    """Numbers that can be worked out by hand. Times are whole ns: differences are rounding of float64 only."""

    def test_bound_imbalance_and_idle_share_are_those_of_the_definition(self):
        run = self.make_run("a", [[4.0], [1.0, 2.0]])
        self.assertEqual((run.n_rank, run.n_worker, run.n_galaxy), (3, 2, 3))
        self.assertAlmostEqual(run.wall_s, 4.0)
        self.assertAlmostEqual(run.total_s, 7.0)
        self.assertAlmostEqual(run.longest_s, 4.0)
        self.assertAlmostEqual(run.bound_s, 4.0)  # the longest galaxy: 7 / 2 is less
        self.assertAlmostEqual(run.imbalance, 4.0 / 3.5)
        self.assertAlmostEqual(run.idle_share, 1.0 - 7.0 / 8.0)
        self.assertAlmostEqual(run.run_s, 4.0 + OPENED_NS * 1e-9)

    def test_bound_is_the_mean_work_when_no_galaxy_is_long(self):
        run = self.make_run("a", [[1.0, 1.0, 1.0], [1.0]])
        self.assertAlmostEqual(run.wall_s, 3.0)
        self.assertAlmostEqual(run.bound_s, 2.0)

    def test_one_rank_is_its_own_worker(self):
        run = measure_run(read_trace(make_trace(self.dir / "one.hdf5", n_rank=1, n_galaxy=4)), "one")
        self.assertEqual((run.n_rank, run.n_worker, run.n_galaxy), (1, 1, 4))
        self.assertAlmostEqual(run.imbalance, 1.0)

    def test_a_worker_that_did_nothing_counts(self):
        run = self.make_run("a", [[2.0], []])
        self.assertEqual(run.n_worker, 2)
        self.assertEqual(list(run.busy_s), [2.0, 0.0])
        self.assertAlmostEqual(run.imbalance, 2.0)
        self.assertAlmostEqual(run.idle_share, 0.5)
        self.assertIsNotNone(plot_stages(run))

    def test_a_run_without_galaxies_has_no_speed_up_and_does_not_fail(self):
        path = make_trace(self.dir / "none.trace.hdf5", n_rank=3, n_galaxy=0)
        output = run_script("analyse_scaling.py", path, "--output-dir", self.dir)
        self.assertIn("No galaxy was computed in none", output)

    def test_galaxies_whose_spans_interleave_are_kept_apart(self):
        made = MadeTrace(1, n_thread=2)
        for row, begin_s in ((0, 1), (1, 2), (0, 3), (1, 4), (0, 5)):
            made.add_span(0, 0, begin_s * 10**9, (begin_s + 1) * 10**9, galaxy=row, n_particle=10 + row)
        work = self.measure(made).work
        self.assertEqual(work.row.tolist(), [0, 1])
        self.assertEqual((work.busy_ns // 10**9).tolist(), [3, 2])
        self.assertEqual((work.begin_ns // 10**9).tolist(), [1, 2])
        self.assertEqual((work.end_ns // 10**9).tolist(), [6, 5])
        self.assertEqual(work.n_particle.tolist(), [10, 11])

    def test_a_summary_trace_gives_the_same_from_batches(self):
        made = MadeTrace(3)
        for rank, row, galaxy_s in ((1, 0, 4.0), (2, 1, 1.0), (2, 2, 2.0)):
            made.add_galaxy(rank, row, {"Reading": galaxy_s})
        made.attributes["mode"] = "summary"
        run = self.measure(made)
        self.assertFalse(run.work.is_by_galaxy)
        self.assertAlmostEqual(run.total_s, 7.0)
        self.assertAlmostEqual(run.bound_s, 4.0)
        self.assertTrue(run.is_longest_exact)  # batches of one
        self.assertIsNone(plot_stages(run))
        self.assertIsNotNone(plot_galaxies(run))

    def test_merged_spans_are_replaced_by_batches_and_that_is_said(self):
        made = MadeTrace(2)
        made.add_galaxy(1, 0, {"Reading": 1.0})
        made.add_galaxy(1, 1, {"Reading": 3.0})
        # One batch of two galaxies, and one span for both.
        made.schedule = [(1, 2, 1, 0, 2000.0, 4.0, OPENED_NS, OPENED_NS + 4_000_000_000)]
        first, second = made.spans[1][-2:]
        first["n_merged"] = first["n_galaxy"] = 2
        first["end_ns"], first["busy_ns"], first["stage"] = second["end_ns"], 4_000_000_000, -1
        made.spans[1].pop()
        made.ranks["spans_merged"] = 2
        run = self.measure(made)
        self.assertFalse(run.work.is_by_galaxy)
        self.assertAlmostEqual(run.total_s, 4.0)
        self.assertAlmostEqual(run.longest_s, 4.0)
        self.assertIn("bound may be too high", " ".join(compare_runs([run]).warnings))
        self.assertIsNotNone(plot_stages(run))

    def test_more_threads_than_cpus_are_told_host_by_host(self):
        made = MadeTrace(5, n_thread=4, n_node=1)
        made.ranks["cpuset"] = b"0-3,8"
        self.assertAlmostEqual(self.measure(made).crowding, 4 * 4 / 5)  # the dealer does not count
        made = MadeTrace(4, n_thread=2, n_node=2)
        made.ranks["cpuset"] = (b"0-3", b"0-3", b"0-1", b"2")  # host 1: 2 workers x 2 on 3 cpus
        self.assertAlmostEqual(self.measure(made).crowding, 4 / 3)
        made.ranks["cpuset"][0] = b"0-3,..."
        self.assertTrue(np.isnan(self.measure(made).crowding))

    def test_cpu_lists_are_read(self):
        self.assertEqual(count_cpus("0-2,7"), {0, 1, 2, 7})
        self.assertIsNone(count_cpus(""))


class ComparingRuns(ScalingTest):
    """Strong and weak."""

    def test_strong_scaling_is_detected_and_worked_out(self):
        runs = [self.make_run("two", [[2.0, 1.0], [1.0, 1.0]]), self.make_run("one", [[1.0, 1.0, 2.0, 2.0]])]
        found = compare_runs(runs)
        self.assertEqual(found.kind, "strong")
        self.assertEqual([run.label for run in found.runs], ["one", "two"])
        np.testing.assert_allclose(found.speed_up, [1.0, 2.0])
        np.testing.assert_allclose(found.efficiency, [1.0, 1.0])

    def test_weak_scaling_is_detected_and_worked_out(self):
        runs = [self.make_run("one", [[1.0, 1.0]]), self.make_run("two", [[1.0, 1.5], [1.0, 1.0]])]
        found = compare_runs(runs)
        self.assertEqual(found.kind, "weak")
        np.testing.assert_allclose(found.efficiency, [1.0, 2.0 / 2.5])
        np.testing.assert_allclose(found.speed_up, [1.0, 2 * 2.0 / 2.5])

    def test_the_reference_has_the_fewest_workers_and_need_not_have_one(self):
        runs = [self.make_run("four", [[1.5]] * 4), self.make_run("two", [[1.0, 1.0]] * 2),
                self.make_run("slower", [[1.2, 1.2]] * 2)]
        found = compare_runs(runs)
        self.assertEqual(found.reference.label, "two")
        np.testing.assert_allclose(found.speed_up, [1.0, 2.0 / 2.4, 2.0 / 1.5])
        np.testing.assert_allclose(found.efficiency[-1], 2.0 / 1.5 / 2)

    def test_runs_of_neither_kind_need_to_be_told(self):
        runs = [self.make_run("a", [[1.0] * 2]), self.make_run("b", [[1.0] * 5, [1.0] * 4])]
        with self.assertRaisesRegex(ProfilingError, "a: 2 on 1, b: 9 on 2"):
            compare_runs(runs)
        self.assertIn("different numbers of galaxies", " ".join(compare_runs(runs, "strong").warnings))
        self.assertEqual(compare_runs(runs, "weak").kind, "weak")

    def test_the_scatter_of_costs_is_that_of_their_logarithms(self):
        made = MadeTrace(2)
        for row, galaxy_s in enumerate((0.1, 10.0)):  # a factor of 10 below and above the line
            made.add_galaxy(1, row, {"Reading": galaxy_s}, cost=5.0)
        made.fit = (0.5, 0.1)  # 1 s for both
        fit = fit_costs(read_trace(self.write(made)))
        self.assertAlmostEqual(fit.seconds_per_cost, 0.2)
        self.assertAlmostEqual(fit.scatter_dex, 1.0)
        self.assertAlmostEqual(fit.fitted_scatter_dex, 1.0)


class TimeInBins(ScalingTest):
    """What charts show."""

    def test_time_is_shared_among_bins_and_none_is_lost(self):
        got = bin_time([0, 1, 1], np.array([5, 0, 12]), np.array([25, 30, 14]), np.array([10, 30, 2]),
                       np.array([0.0, 10.0, 20.0, 30.0]), 2)
        np.testing.assert_allclose(got, [[2.5, 5.0, 2.5], [10.0, 12.0, 10.0]])

    def test_time_outside_the_bins_is_left_out(self):
        got = bin_time([0, 0, 0], np.array([-10, 25, 40]), np.array([5, 45, 50]), np.array([15, 20, 10]),
                       np.array([0.0, 15.0, 30.0]), 1)
        np.testing.assert_allclose(got, [[5.0, 5.0]])

    def test_utilisation_falls_when_workers_run_out_of_work(self):
        run = self.make_run("a", [[4.0], [1.0, 2.0]])
        edges_s, share = measure_utilisation(run, n_bin=8)
        np.testing.assert_allclose(edges_s, np.arange(9) * 0.5)
        np.testing.assert_allclose(share, [1.0] * 6 + [0.5] * 2)

    def test_memory_holds_until_the_next_sample_and_peaks_survive(self):
        edges_ns = np.arange(0, 60, 10)
        got = bin_rss(np.array([12, 15, 31]), np.array([5, 9, 2]), edges_ns)
        np.testing.assert_allclose(got, [np.nan, 9.0, 9.0, 9.0, 2.0])

    def test_a_slow_galaxy_is_drawn_in_its_rank_at_its_time(self):
        made = MadeTrace(4)
        for row in range(9):
            seconds, n_particle = (2.0, 50_000) if row == 4 else (0.1, 1000)
            made.add_galaxy(1 + row % 3, row, {"Reading": seconds}, n_particle)
        run = self.measure(made)
        i_slow = int(np.argmax(run.work.busy_ns))
        self.assertEqual((run.work.rank[i_slow], run.work.row[i_slow]), (2, 4))
        bars = plot_galaxies(run).axes[0].collections[0].get_paths()
        x_0, y_0, x_1, y_1 = bars[i_slow].get_extents().extents
        self.assertAlmostEqual(x_0, OPENED_NS * 1e-9 + 0.1)
        self.assertAlmostEqual(x_1, OPENED_NS * 1e-9 + 2.1)
        self.assertTrue(y_0 < 2 < y_1 and y_1 - y_0 < 1)

    def test_charts_of_very_many_galaxies_are_drawn_as_pixels(self):
        made = MadeTrace(3)
        for row in range(400):
            made.add_galaxy(1 + row % 2, row, {"Reading": 0.0001, "Flux Images": 0.0003})
        run = self.measure(made)
        most = mock.patch.object(scaling_timeline, "MAX_BARS", 600)  # bars that are drawn one by one
        most.start()
        self.addCleanup(most.stop)
        image = plot_galaxies(run).axes[0].images[0].get_array()
        self.assertEqual(image.shape[0], 3)
        np.testing.assert_allclose(image[0], 1.0)  # the dealer's row is empty
        self.assertLess(image[1].min(), 1.0)
        self.assertEqual(len(plot_stages(run).axes), 2)


class TheReport(ScalingTest):
    """analyse_scaling.py as it is called."""

    def test_all_files_are_written_and_the_numbers_are_in_the_table(self):
        paths = [make_trace(self.dir / f"w{n}.trace.hdf5", n_rank=n + 1, n_galaxy=12) for n in (1, 2, 4)]
        run_script("analyse_scaling.py", *paths, "--output-dir", self.dir / "out", "--format", "svg", "--gantt", "w2")
        report = (self.dir / "out/scaling.md").read_text(encoding="utf-8")
        for name in ("scaling", "utilisation", "busy", "galaxies", "stages", "costs", "rss"):
            self.assertTrue((self.dir / f"out/{name}.svg").stat().st_size > 1000, name)
            self.assertIn(f"]({name}.svg)", report)
        self.assertIn("# Strong scaling", report)
        self.assertIn("(run w2)", report)
        with open(self.dir / "out/scaling.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["label"] for row in rows], ["w1", "w2", "w4"])
        np.testing.assert_allclose([float(row["speed_up"]) for row in rows], [1, 2, 4])

    def test_one_trace_is_enough(self):
        path = make_trace(self.dir / "only.trace.hdf5", n_rank=3)
        self.assertIn("Reference: only, 2 workers; there is no run with 1 worker",
                      self.report_of(path))

    def test_crowded_runs_are_marked(self):
        made = MadeTrace(3, n_thread=2)
        made.ranks["cpuset"] = b"0-1"
        made.add_galaxy(1, 0, {"Reading": 1.0})
        report = self.report_of(self.write(made, "crowded"))
        self.assertIn("| crowded ! |", report)
        self.assertIn("no measure of scaling", report)

    def report_of(self, *paths):
        """Text of scaling.md."""
        run_script("analyse_scaling.py", *paths, "--output-dir", self.dir)
        return (self.dir / "scaling.md").read_text(encoding="utf-8")

    def test_wrong_input_is_told_without_a_traceback(self):
        good = make_trace(self.dir / "good.hdf5")
        old = make_trace(self.dir / "old.hdf5")
        with h5py.File(old, "r+") as file:
            file.attrs["version"] = 99
        text = self.dir / "text.hdf5"
        text.write_text("no trace")
        missing = self.dir / "missing.hdf5"
        for path, expected in ((missing, "no such file"), (text, "cannot be read"), (old, "version 99")):
            for script in ("analyse_scaling.py", "export_trace.py"):
                with self.subTest(path=path.name, script=script):
                    self.assertIn(expected, run_script(script, path, expected=3))
        self.assertIn("as traces", " ".join(run_script("analyse_scaling.py", "--help").split()))
        run_script("analyse_scaling.py", good, "--labels", "a", "b", expected=2)
        run_script("analyse_scaling.py", good, "--gantt", "nobody", "--output-dir", self.dir, expected=2)
        run_script("analyse_scaling.py", good, good, expected=2)


class TheExport(ScalingTest):
    """export_trace.py."""

    def test_every_span_is_there_once(self):
        path = make_trace(self.dir / "run.trace.hdf5", n_rank=3, n_galaxy=5, n_thread=2)
        trace = read_trace(path)
        run_script("export_trace.py", path, "-o", self.dir / "run.json.gz")
        with gzip.open(self.dir / "run.json.gz", "rt", encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        spans = [event for event in events if event["ph"] == "X"]
        got = sorted((event["pid"], event["tid"], event["ts"], event["dur"], event["name"],
                      event["args"].get("galaxy", -1)) for event in spans)
        expected = sorted((int(row["rank"]), int(row["thread"]), row["begin_ns"] / 1e3,
                           (row["end_ns"] - row["begin_ns"]) / 1e3, trace.stages[row["stage"]], int(row["galaxy"]))
                          for row in trace.spans)
        self.assertEqual(got, expected)
        self.assertEqual(sum(event["ph"] == "C" for event in events), len(trace.rss))
        opened = [event["id"] for event in events if event["ph"] == "b"]
        self.assertEqual(opened, [event["id"] for event in events if event["ph"] == "e"])
        self.assertEqual(len(set(opened)), 5)
        names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
        self.assertEqual(names[0], "rank 0 (node000, deals)")

    def test_chunks_join_without_a_gap_or_an_overlap(self):
        table = np.zeros(2 * export_trace.N_CHUNK + 1, [("rank", "i4")])
        table["rank"] = np.arange(len(table))
        self.assertEqual([row["rank"] for row in export_trace.list_rows(table)], table["rank"].tolist())

    def test_costs_that_are_no_number_leave_valid_json(self):
        made = MadeTrace(2)
        made.add_galaxy(1, 0, {"Reading": 1.0}, cost=np.nan)
        path = self.write(made)
        run_script("export_trace.py", path)

        def refuse(constant):
            raise AssertionError(f"{constant} is no JSON")

        json.loads(path.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=refuse)


class TheStudy(ScalingTest):
    """scaling_study.py, with the real program."""

    def test_the_tail_has_as_many_galaxies_as_asked_for(self):
        for n_galaxy in (1, 2, 3, 5, 40, 1000):
            for largest in (1, 2, 30, 1000):
                sizes = list_tail(n_galaxy, 100, largest)
                self.assertEqual(sum(n for _, n in sizes), n_galaxy, (n_galaxy, largest, sizes))
                self.assertTrue(all(n > 0 for _, n in sizes))
                self.assertLessEqual(max(size for size, _ in sizes), 100 * largest)

    def test_a_small_study_of_each_kind_runs(self):
        if not PROGRAM:
            self.skipTest("no program given")
        for kind, n_galaxy in (("strong", (6, 6)), ("weak", (6, 12))):
            out = self.dir / kind
            run_script("scaling_study.py", "--kind", kind, "--ranks", 1, 3, "--ngalaxies", 6, "--nparticles", 50,
                       "--tail", 10, "--out", out, "--polyphony", PROGRAM)
            report = (out / "report/scaling.md").read_text(encoding="utf-8")
            self.assertIn(f"# {kind.capitalize()} scaling", report)
            traces = [read_trace(out / f"{kind}-r{n_rank:03d}.trace.hdf5") for n_rank in (1, 3)]
            for trace, expected in zip(traces, n_galaxy):
                self.assertEqual(int(collect_galaxies(trace).n_galaxy.sum()), expected)  # some of them in groups
                self.assertEqual(int(trace.ranks["n_galaxy"].sum()), expected)
                self.assertEqual(int(trace.schedule["n_galaxy"].sum()), expected)
            self.assertEqual(traces[1].ranks["deals_only"].tolist(), [1, 0, 0])

    def test_a_launcher_that_fails_is_told(self):
        if not PROGRAM:
            self.skipTest("no program given")
        study = ("scaling_study.py", "--kind", "strong", "--out", self.dir, "--polyphony", PROGRAM)
        output = run_script(*study, "--workers", 1, "--ngalaxies", 2, "--nparticles", 50, "--launcher", "false",
                            expected=1)
        self.assertIn("ended with code 1", output)
        run_script(*study, "--launcher", "mpirun {cores}", expected=2)


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_file():
        PROGRAM = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
