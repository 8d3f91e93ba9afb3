# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces of whole runs: every span once, times that add up, memory where it was used, files that are kept."""

import os
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np

import runner

# Stages that a job with all operations has for each galaxy: all of them.
N_STAGE = 16
N_GALAXY = 12
LARGE = 7  # row of the galaxy with five hundred times the stars of the others


class Traced(runner.ProgramTest):
    """A catalogue of small galaxies and a large one; runs of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.call("demo-catalogue", "--nparticles=100000", f"--ngalaxies={N_GALAXY}", "-o", "catalogue.hdf5")
        with h5py.File(cls.dir / "catalogue.hdf5", "r+") as file:
            for kind, small in (("Stars", 200), ("Gas", 40), ("BlackHoles", 4)):
                length = file[kind]["length"]
                length[...] = np.where(np.arange(N_GALAXY) == LARGE, length[LARGE], small)

    @classmethod
    def run_job(cls, name, ranks=None, more="", options=(), expected=0, **values):
        """Run a job with more lines; what it printed, and its trace (None if there is none)."""
        job = cls.write_job(name, runner.JOB + more, **values)
        output = cls.call("run", *options, job, ranks=ranks, expected=expected)
        return output, cls.read(f"{name}.trace.hdf5")

    @classmethod
    def read(cls, name):
        """All tables and attributes of a trace file; None if it is not there."""
        path = cls.dir / name
        if not path.exists():
            return None
        with h5py.File(path, "r") as file:
            found = {key: file[key][()] for key in ("Stages", "Ranks", "Spans", "RSS", "Schedule")}
            found |= {key: file["Operations"][key][()] for key in ("Seconds", "Count", "PeakRSS")}
            found["attributes"] = dict(file.attrs)
        return found

    @classmethod
    def measure(cls, name, is_right, **options):
        """The trace of a run for which is_right(trace): nine more tries, since other programs may stop this one between
        two readings of a clock, or its sampler for a while. What is wrong in ours is wrong every time."""
        for _ in range(10):
            _, trace = cls.run_job(name, options=["--overwrite"], **options)
            if is_right(trace):
                break
        return trace

    def of_galaxies(self, trace):
        """Spans of stages of galaxies."""
        return trace["Spans"][trace["Spans"]["galaxy"] >= 0]


class TracesAreComplete(Traced):
    """Every span is there once, whatever the number of ranks."""

    def expect_complete(self, trace, n_rank):
        """Each stage of each galaxy once; a row for every rank; sums as the spans say."""
        spans = self.of_galaxies(trace)
        pairs = {(span["galaxy"], span["stage"]) for span in spans}
        self.assertEqual(len(spans), N_GALAXY * N_STAGE)
        self.assertEqual(pairs, {(g, s) for g in range(N_GALAXY) for s in range(N_STAGE)})
        ranks = trace["Ranks"]
        self.assertEqual(list(ranks["rank"]), list(range(n_rank)))
        self.assertEqual(ranks["n_galaxy"].sum(), N_GALAXY)
        self.assertEqual(ranks["n_span"].sum(), len(trace["Spans"]))
        self.assertEqual(ranks["n_rss"].sum(), len(trace["RSS"]))
        self.assertEqual(trace["Schedule"]["n_galaxy"].sum(), N_GALAXY)
        for row in ranks:
            mine = trace["Spans"][row["first_span"]:row["first_span"] + row["n_span"]]
            self.assertTrue(np.all(mine["rank"] == row["rank"]))
            self.assertTrue(np.all(mine["begin_ns"][1:] >= mine["end_ns"][:-1]), "spans overlap")
            self.assertTrue(np.all(mine["end_ns"] >= mine["begin_ns"]))
            self.assertGreaterEqual(mine["begin_ns"][0], 0)
            self.assertLessEqual(mine["end_ns"][-1], row["end_ns"])
            samples = trace["RSS"][row["first_rss"]:row["first_rss"] + row["n_rss"]]
            self.assertTrue(np.all(samples["rank"] == row["rank"]) and len(samples) >= 2)
            self.assertTrue(np.all(np.diff(samples["time_ns"]) > 0))
            seconds = np.bincount(mine["stage"], mine["busy_ns"], len(trace["Stages"])) * 1e-9
            np.testing.assert_allclose(seconds, trace["Seconds"][:, row["rank"]], rtol=1e-9, atol=1e-12)
        self.assertEqual(ranks["begin_ns"].min(), 0)
        self.assertEqual(ranks["end_ns"].max(), trace["attributes"]["wall_ns"])

    @staticmethod
    def times_add_up(trace):
        """Is the sum of exclusive stage times the time measured around whole galaxies, within 1 %, on all ranks?"""
        stages = trace["Seconds"][:N_STAGE].sum(axis=0)
        return np.allclose(stages, trace["Ranks"]["busy_ns"] * 1e-9, rtol=0.01, atol=0)

    def test_one_rank_computes_itself(self):
        trace = self.measure("one", self.times_add_up, max_batch=1)
        self.expect_complete(trace, 1)
        self.assertTrue(self.times_add_up(trace))
        self.assertEqual(trace["Ranks"]["deals_only"][0], 0)
        self.assertEqual(trace["attributes"]["mode"], "spans")
        self.assertFalse(trace["attributes"]["stopped_early"])

    def test_two_ranks(self):
        trace = self.measure("two", self.times_add_up, ranks=2, max_batch=1)
        self.expect_complete(trace, 2)
        self.assertTrue(self.times_add_up(trace))
        self.assertEqual(list(trace["Ranks"]["deals_only"]), [1, 0])
        self.assertEqual(trace["Ranks"]["n_galaxy"][0], 0)

    def test_groups_are_counted_galaxy_by_galaxy_and_timed_together(self):
        trace = self.measure("groups", self.times_add_up)
        self.assertTrue(self.times_add_up(trace))
        spans = self.of_galaxies(trace)
        self.assertTrue(np.any(spans["n_galaxy"] > 1))
        self.assertTrue(np.all(spans["begin_ns"][1:] >= spans["end_ns"][:-1]), "spans overlap")
        self.assertEqual(list(trace["Count"][:N_STAGE, 0]), [N_GALAXY] * N_STAGE)
        self.assertEqual(trace["Ranks"]["n_galaxy"].sum(), N_GALAXY)

    def seconds_in_groups(self, trace, name):
        """Of galaxies that were computed in groups: the ledger's seconds, and spans without writing."""
        with h5py.File(self.dir / f"{name}.hdf5", "r") as file:
            ledger = file["Run/Ledger"][()]
        spans = self.of_galaxies(trace)
        mine = (spans["galaxy"] != LARGE) & (spans["stage"] < N_STAGE - 1)
        return np.delete(ledger["seconds"], LARGE), spans["busy_ns"][mine].sum() * 1e-9

    def test_the_ledgers_seconds_of_a_group_are_those_of_its_spans(self):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                name = f"seconds_{threads}"

                def agree(trace):
                    """Large rows are written before their group ends: what goes on between stages (1 % seen), and what
                    threads wait for the last of a dozen galaxies, is then in the spans alone."""
                    seconds, spans = self.seconds_in_groups(trace, name)
                    return (0.95 if threads == 1 else 0.75) * spans < seconds.sum() < 1.01 * spans
                trace = self.measure(name, agree, threads=threads)
                self.assertTrue(agree(trace), self.seconds_in_groups(trace, name))
                self.assertTrue(np.all(self.seconds_in_groups(trace, name)[0] > 0))

    def test_five_ranks(self):
        _, trace = self.run_job("five", ranks=5, max_batch=1)
        self.expect_complete(trace, 5)
        self.assertEqual(len(trace["Schedule"]), N_GALAXY)
        self.assertTrue(np.all(trace["Schedule"]["done_ns"] >= trace["Schedule"]["dealt_ns"]))
        self.assertEqual(sorted(trace["Schedule"]["first_row"]), list(range(N_GALAXY)))

    def test_a_rank_that_did_nothing_still_has_its_row(self):
        _, trace = self.run_job("idle", ranks=4, mode="static-block", max_batch=1)
        continued = self.call("run", self.dir / "idle.yaml", ranks=4)
        again = self.read("idle.trace.2.hdf5")
        self.assertIn("idle.trace.2.hdf5", continued)
        self.expect_complete(trace, 4)
        self.assertEqual(len(again["Ranks"]), 4)
        self.assertEqual(len(self.of_galaxies(again)), 0)
        self.assertTrue(np.all(again["Ranks"]["busy_ns"] == 0) and np.all(again["Ranks"]["n_span"] > 0))
        self.assertTrue(np.all(again["Ranks"]["peak_rss_bytes"] > 1e6))

    def test_results_are_the_same_without_a_trace(self):
        self.run_job("with", more="trace_frequency_hz: 1000\n")
        _, trace = self.run_job("without", more="trace: off\n")
        self.assertIsNone(trace)
        self.expect_same(runner.read_bytes(self.dir / "without.hdf5"), runner.read_bytes(self.dir / "with.hdf5"),
                         "trace: off")


class TracesShowWhatHappened(Traced):
    """A large galaxy is in the right place, and memory in the right galaxy."""

    def test_the_large_galaxy_stands_out_where_and_when_it_was_computed(self):
        _, trace = self.run_job("large", ranks=3, more="trace_frequency_hz: 1000\n", max_batch=1)
        spans = self.of_galaxies(trace)
        with h5py.File(self.dir / "large.hdf5", "r") as file:
            ledger = file["Run/Ledger"][()]
        busy = np.bincount(spans["galaxy"], spans["busy_ns"], N_GALAXY)
        self.assertEqual(busy.argmax(), LARGE)
        mine = spans[spans["galaxy"] == LARGE]
        self.assertEqual(set(mine["rank"]), {ledger["rank"][LARGE]})
        self.assertTrue(np.all(mine["n_particle"] == 100000))
        # The ledger's seconds are reading and computing; the spans have writing as well.
        computing = mine["busy_ns"][mine["stage"] < N_STAGE - 1].sum() * 1e-9
        np.testing.assert_allclose(computing, ledger["seconds"][LARGE], rtol=0.01)
        batch = trace["Schedule"][trace["Schedule"]["first_row"] == LARGE][0]
        self.assertEqual(batch["rank"], ledger["rank"][LARGE])
        self.assertLessEqual(batch["dealt_ns"], mine["begin_ns"].min())
        self.assertGreaterEqual(batch["done_ns"], mine["end_ns"].max())
        if trace["Ranks"]["catches_peaks"].all():
            self.expect_memory_in_its_rank(trace, mine)

    def expect_memory_in_its_rank(self, trace, mine):
        """100,000 stars take many MB more than 200; only this galaxy's rank has them, from this galaxy on."""
        rank = mine["rank"][0]
        other = ({1, 2} - {rank}).pop()
        peak = {r: trace["Ranks"]["peak_rss_bytes"][r] for r in (rank, other)}
        self.assertGreater(peak[rank], peak[other] + 4e6)
        self.assertGreater(mine["peak_rss_bytes"].max(), peak[other] + 4e6)
        samples = trace["RSS"][trace["RSS"]["rank"] == rank]
        before = samples[samples["time_ns"] < mine["begin_ns"].min()]["rss_bytes"].max()
        self.assertGreater(samples["rss_bytes"].max(), before + 4e6)

    @staticmethod
    def marks_agree(trace):
        """Is the largest sample the kernel's mark, but for what comes and goes between two reads (no more than the
        largest step of the samples) and for pages the kernel counts late (90 kB seen; up to 64 pages a core)?"""
        rss = trace["RSS"]["rss_bytes"].astype(float)
        peak = float(trace["Ranks"]["peak_rss_bytes"][0])
        return peak - np.abs(np.diff(rss)).max() - 1e6 <= rss.max() <= peak + 1e6

    def test_samples_and_the_kernels_mark_agree(self):
        trace = self.measure("peaks", self.marks_agree, more="trace_frequency_hz: 2000\n")
        self.assertTrue(self.marks_agree(trace))
        self.assertGreater(trace["RSS"]["rss_bytes"].max(), 1.2 * trace["RSS"]["rss_bytes"].min())

    def test_samples_come_as_often_as_asked(self):
        _, trace = self.run_job("often", more="trace_frequency_hz: 200\n")
        step_ms = np.diff(trace["RSS"]["time_ns"]) * 1e-6
        self.assertEqual(trace["attributes"]["sample_hz"], 200)
        # Due times are absolute, so late reads are made up for: the median stays, however busy the machine.
        self.assertLess(abs(np.median(step_ms) - 5.0), 1.0)


class TraceModes(Traced):
    """What the job file says about traces."""

    def test_a_summary_has_sums_and_no_spans(self):
        _, trace = self.run_job("summary", ranks=2, more="trace: summary\n")
        self.assertEqual((len(trace["Spans"]), len(trace["RSS"]), len(trace["Ranks"])), (0, 0, 2))
        self.assertEqual(trace["Count"][:N_STAGE].sum(), N_GALAXY * N_STAGE)
        self.assertGreater(trace["Seconds"][:N_STAGE, 1].min(), 0)
        self.assertGreater(len(trace["Schedule"]), 0)

    def test_no_samples_at_frequency_zero(self):
        _, trace = self.run_job("zero", more="trace_frequency_hz: 0\n", max_batch=1)
        self.assertEqual(len(trace["RSS"]), 0)
        self.assertEqual(len(self.of_galaxies(trace)), N_GALAXY * N_STAGE)

    def test_the_file_goes_where_the_job_says(self):
        output, _ = self.run_job("named", more="trace_output: elsewhere.h5\n")
        self.assertIn("elsewhere.h5", output)
        self.assertEqual(len(self.read("elsewhere.h5")["Ranks"]), 1)
        self.assertIsNone(self.read("named.trace.hdf5"))

    def test_wrong_values_are_refused(self):
        for more, part in (("trace: everything\n", "spans"), ("trace_frequency_hz: 5001\n", "5000"),
                           ("trace_frequency_hz: -1\n", "too small")):
            output, _ = self.run_job("wrong", more=more, expected=2)
            self.assertIn(part, output)

    def test_an_input_is_never_overwritten(self):
        before = (self.dir / "catalogue.hdf5").read_bytes()
        output, _ = self.run_job("slip", ranks=2, more="trace_output: catalogue.hdf5\n", expected=2)
        self.assertIn("is no trace file", output)
        self.assertEqual((self.dir / "catalogue.hdf5").read_bytes(), before)
        self.assertFalse((self.dir / "slip.hdf5").exists())

    def test_the_trace_does_not_replace_the_results(self):
        for path in ("same.hdf5", "./same.hdf5", str(self.dir / "same.hdf5")):
            output, _ = self.run_job("same", ranks=2, more=f"trace_output: {path}\n", expected=2)
            self.assertIn("is the results file", output)
            self.assertFalse((self.dir / "same.hdf5").exists())

    def test_a_missing_directory_is_found_before_any_work(self):
        output, _ = self.run_job("nowhere", ranks=2, more="trace_output: no/such/trace.hdf5\n", expected=5)
        self.assertIn("no/such/trace.hdf5", output)
        self.assertFalse((self.dir / "nowhere.hdf5").exists())

    def test_traces_of_continued_runs_are_kept_and_of_overwritten_ones_are_not(self):
        self.run_job("kept")
        first = (self.dir / "kept.trace.hdf5").read_bytes()
        for _ in range(2):
            self.call("run", self.dir / "kept.yaml")
        self.assertEqual((self.dir / "kept.trace.hdf5").read_bytes(), first)
        self.assertTrue((self.dir / "kept.trace.3.hdf5").exists())
        self.call("run", "--overwrite", self.dir / "kept.yaml")
        self.assertNotEqual((self.dir / "kept.trace.hdf5").read_bytes(), first)
        self.assertFalse((self.dir / "kept.trace.2.hdf5").exists() or (self.dir / "kept.trace.3.hdf5").exists())

    def test_new_results_leave_no_trace_of_old_ones_nor_touch_those_of_others(self):
        self.run_job("mine")
        self.run_job("other", more="trace_output: mine.trace.2.hdf5\n")
        (self.dir / "mine.trace.hdf5.partial").mkdir()  # this run cannot leave a trace
        self.call("run", "--overwrite", self.dir / "mine.yaml")
        self.assertIsNone(self.read("mine.trace.hdf5"))
        self.assertIsNotNone(self.read("mine.trace.2.hdf5"))

    def test_a_trace_that_cannot_be_written_costs_no_results(self):
        job = self.write_job("full", runner.JOB + "trace_output: trace-dir/t.hdf5\n")
        directory = self.dir / "trace-dir"
        directory.mkdir()
        (directory / "t.hdf5.partial").mkdir()  # in the way of the file under construction
        output = self.call("run", job, ranks=2)
        self.assertIn("warning: the trace of this run could not be written", output)
        self.assertIn(f"{N_GALAXY} galaxies done", output)


    def test_a_disk_that_fills_up_ends_the_trace_and_not_the_run(self):
        disk = self.dir / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=8240k", "tmpfs", disk]  # 8 MiB are held back for HDF5's headers
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            self.skipTest("a full disk can only be made by root where mount is allowed")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        output, _ = self.run_job("fills", ranks=3, more=f"trace_frequency_hz: 5000\ntrace_output: {disk}/t.hdf5\n")
        self.assertIn("could not be written", output)
        self.assertIn("disk full", output)
        self.assertIn(f"{N_GALAXY} galaxies done", output)
        self.assertEqual(os.listdir(disk), [])

    def test_a_path_too_long_for_open_mpi_is_said_so(self):
        deep = self.dir / ("d" * 100) / ("e" * 100)
        deep.mkdir(parents=True)
        output, _ = self.run_job("long", ranks=2, more=f"trace_output: {deep}/{'f' * 60}.hdf5\n")
        self.assertIn("too many for Open MPI", output)
        self.assertIn(f"{N_GALAXY} galaxies done", output)


class StoppedRuns(Traced):
    """A run that is stopped leaves its trace."""

    def test_a_stopped_run_writes_what_it_has(self):
        self.call("demo-catalogue", "--nparticles=2000", "--ngalaxies=2000", "-o", "many.hdf5")
        job = self.write_job("stopped", runner.JOB, catalogue="many.hdf5", max_batch=1)
        text = job.read_text(encoding="utf-8")
        begin, end = text.index("  spectra:"), text.index("schedule:")
        job.write_text(text[:begin] + text[end:], encoding="utf-8")  # histories and depths only: a small file
        process = runner.start([self.program, "run", job], 3, cwd=self.dir)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None and not self.has_done_rows("stopped.hdf5"):
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGUSR1)
        code, output = runner.finish(process)
        self.assertNotIn("Segmentation", output)
        trace = self.read("stopped.trace.hdf5")
        self.assertIsNotNone(trace, output)
        with h5py.File(self.dir / "stopped.hdf5", "r") as file:
            n_done = int((file["Run/Ledger"]["status"] == 1).sum())
        self.assertEqual(trace["Ranks"]["n_galaxy"].sum(), n_done)
        self.assertEqual(trace["Schedule"]["n_galaxy"].sum(), n_done)
        self.assertEqual(len(set(self.of_galaxies(trace)["galaxy"])), n_done)
        self.assertEqual(bool(trace["attributes"]["stopped_early"]), n_done < 2000, output)
        self.assertLess(n_done, 2000, f"the run was over before it could be stopped (exit code {code})")

    def has_done_rows(self, name):
        """Has the results file a row that is done?"""
        try:
            with h5py.File(self.dir / name, "r") as file:
                return bool((file["Run/Ledger"]["status"] == 1).any())
        except OSError:
            return False


if __name__ == "__main__":
    runner.main()
