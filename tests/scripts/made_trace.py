# SPDX-License-Identifier: GPL-3.0-or-later
"""Trace files made by hand, complete and valid, for tests of the scripts that read them."""

import sys
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from profiling import RANK_TYPE, RSS_TYPE, SCHEDULE_TYPE, SPAN_TYPE  # noqa: E402

STAGES = (
    "Reading", "LOS optical depths", "SFZH", "SFH", "Grid weights", "Lnu Spectra", "Observer frame", "Fnu Spectra",
    "Luminosities", "Fluxes", "Emission Line Luminosities", "Emission Line Fluxes", "Luminosity Images", "Flux Images",
    "Writing", "Start-up", "Opening inputs", "Opening output", "Waiting", "Dealing", "Closing",
)
N_GALAXY_STAGE = 15
START_UP, OPENING_INPUTS, WAITING, DEALING = (STAGES.index(name) for name in (
    "Start-up", "Opening inputs", "Waiting", "Dealing"))
START_NS, OPENING_NS = 20_000_000, 180_000_000  # what every rank does before its first galaxy


class MadeTrace:
    """A trace file in the making.

    Give every rank its galaxies with add_galaxy() and its memory with add_rss(), then write(). One thread a rank; the
    galaxies of a rank follow each other unless begin_ns says where one begins. Rank 0 of several only deals.
    """

    def __init__(self, n_rank=1, n_thread=1, n_node=1):
        self.attributes = {
            "format": "polyphony-trace", "version": 1, "program_version": "0.1.0", "mode": "spans", "sample_hz": 100,
            "started_utc": "2026-01-01T00:00:00Z", "n_rank": n_rank, "stopped_early": False,
            "results": "results.hdf5", "catalogue": "catalogue.hdf5", "schedule_mode": "dynamic",
            "n_galaxy_stage": N_GALAXY_STAGE,
        }
        self.ranks = np.zeros(n_rank, RANK_TYPE)
        self.spans = [[] for _ in range(n_rank)]
        self.rss = [[] for _ in range(n_rank)]
        self.schedule = []
        self.fit = (np.nan, np.nan)
        n_local = -(-n_rank // n_node)
        for i, row in enumerate(self.ranks):
            first_cpu = i % n_local * n_thread
            cpus = f"{first_cpu}-{first_cpu + n_thread - 1}" if n_thread > 1 else f"{first_cpu}"
            row["rank"], row["node"], row["local_rank"] = i, i // n_local, i % n_local
            row["n_thread"], row["deals_only"], row["is_pinned"] = n_thread, i == 0 and n_rank > 1, 1
            row["host"] = f"node{i // n_local:03d}"
            row["cpuset"], row["cpus"] = f"0-{n_local * n_thread - 1}", cpus
            row["placement"] = f"{n_thread} threads on cores {cpus} (cpus {cpus})"
            row["spans_merged"], row["reads_merged"], row["catches_peaks"] = 1, 1, 1
            self.add_span(i, START_UP, 0, START_NS)
            self.add_span(i, OPENING_INPUTS, START_NS, START_NS + OPENING_NS)

    def end_ns(self, rank):
        """When the last span of a rank ended."""
        return max((span["end_ns"] for span in self.spans[rank]), default=0)

    def add_span(self, rank, stage, begin_ns, end_ns, galaxy=-1, n_particle=0, peak_rss_bytes=0):
        """One span as it was."""
        span = np.zeros((), SPAN_TYPE)
        values = {"rank": rank, "stage": stage, "n_merged": 1, "galaxy": galaxy, "n_galaxy": galaxy >= 0,
                  "n_particle": n_particle, "begin_ns": begin_ns, "end_ns": end_ns, "busy_ns": end_ns - begin_ns,
                  "peak_rss_bytes": peak_rss_bytes}
        for name, value in values.items():
            span[name] = value
        self.spans[rank].append(span)

    def add_galaxy(self, rank, galaxy, stage_s, n_particle=1000, begin_ns=None, cost=None, peak_rss_bytes=0):
        """A galaxy in a batch of its own: stage_s maps stages (index or name) to seconds, in the order they ran."""
        begin_ns = self.end_ns(rank) if begin_ns is None else begin_ns
        time_ns = begin_ns
        for stage, seconds in stage_s.items():
            i_stage = STAGES.index(stage) if isinstance(stage, str) else stage
            end_ns = time_ns + round(seconds * 1e9)
            self.add_span(rank, i_stage, time_ns, end_ns, galaxy, n_particle, peak_rss_bytes)
            time_ns = end_ns
        self.ranks[rank]["busy_ns"] += time_ns - begin_ns
        self.ranks[rank]["n_galaxy"] += 1
        self.schedule.append((rank, 1, 1, galaxy, n_particle if cost is None else cost, (time_ns - begin_ns) * 1e-9,
                              begin_ns, time_ns))

    def add_rss(self, rank, time_ns, rss_bytes):
        """Samples of a rank, in time order."""
        self.rss[rank] += [(rank, t, b) for t, b in zip(time_ns, rss_bytes)]

    def wait_for_all(self):
        """Ranks wait (rank 0 of several: deals) wherever they have nothing else to do, to the end of the run."""
        end_ns = max(self.end_ns(rank) for rank in range(len(self.ranks)))
        for rank, spans in enumerate(self.spans):
            stage = DEALING if self.ranks[rank]["deals_only"] else WAITING
            at_ns = 0
            for span in sorted(spans, key=lambda span: span["begin_ns"]):
                if span["begin_ns"] > at_ns:
                    self.add_span(rank, stage, at_ns, span["begin_ns"])
                at_ns = max(at_ns, span["end_ns"])
            if at_ns < end_ns:
                self.add_span(rank, stage, at_ns, end_ns)

    def sum_stages(self):
        """Operations: seconds, counts and peaks, (n_stage, n_rank) each."""
        shape = (len(STAGES), len(self.ranks))
        seconds, count, peak = np.zeros(shape), np.zeros(shape, "u8"), np.zeros(shape, "u8")
        for rank, spans in enumerate(self.spans):
            for span in spans:
                if span["stage"] >= 0:
                    at = (span["stage"], rank)
                    seconds[at] += span["busy_ns"] * 1e-9
                    count[at] += span["n_merged"]
                    peak[at] = max(peak[at], span["peak_rss_bytes"])
        return seconds, count, peak

    def fill_ranks(self):
        """Row ranges, ends and peaks of ranks, from what was added."""
        first_span = first_rss = 0
        wall_ns = max(self.end_ns(rank) for rank in range(len(self.ranks)))
        for rank, row in enumerate(self.ranks):
            row["begin_ns"], row["end_ns"] = 0, wall_ns
            row["first_span"], row["n_span"] = first_span, len(self.spans[rank])
            row["first_rss"], row["n_rss"] = first_rss, len(self.rss[rank])
            row["n_read"] = row["n_rss"]
            row["peak_rss_bytes"] = max([int(row["peak_rss_bytes"])] + [b for _, _, b in self.rss[rank]])
            first_span += len(self.spans[rank])
            first_rss += len(self.rss[rank])
        return wall_ns

    def write(self, path):
        """Write the file; mode 'summary' leaves spans and RSS out. Returns the path."""
        seconds, count, peak = self.sum_stages()
        if self.attributes["mode"] == "summary":
            wall_ns = self.fill_ranks()
            self.spans, self.rss = [[] for _ in self.ranks], [[] for _ in self.ranks]
            for name in ("first_span", "n_span", "first_rss", "n_rss"):
                self.ranks[name] = 0
        else:
            for spans in self.spans:
                spans.sort(key=lambda span: span["begin_ns"])
            wall_ns = self.fill_ranks()
        attributes = {"wall_ns": wall_ns} | self.attributes
        with h5py.File(path, "w") as file:
            for name, value in attributes.items():
                file.attrs[name] = value
            file["Stages"] = np.array([name.encode() for name in STAGES])
            file["Ranks"] = self.ranks
            file["Spans"] = np.array([span for spans in self.spans for span in spans], SPAN_TYPE)
            file["RSS"] = np.array([sample for samples in self.rss for sample in samples], RSS_TYPE)
            file["Operations/Seconds"], file["Operations/Count"], file["Operations/PeakRSS"] = seconds, count, peak
            file["Schedule"] = np.array(self.schedule, SCHEDULE_TYPE)
            file["Schedule"].attrs["fit_seconds_per_galaxy"] = self.fit[0]
            file["Schedule"].attrs["fit_seconds_per_cost"] = self.fit[1]
        return Path(path)


def make_trace(path, n_rank=1, n_galaxy=10, n_particle=1000, n_thread=1, n_node=1, rss_mb=250.0):
    """A plausible run: galaxies dealt in turn, each stage 1 ms per 1000 particles and more for images; 100 Hz of RSS."""
    made = MadeTrace(n_rank, n_thread, n_node)
    workers = [rank for rank in range(n_rank) if n_rank == 1 or rank > 0]
    for galaxy in range(n_galaxy):
        stage_s = {stage: 1e-6 * n_particle * (1 + 9 * ("Images" in STAGES[stage])) for stage in range(N_GALAXY_STAGE)}
        made.add_galaxy(workers[galaxy % len(workers)], galaxy, stage_s, n_particle)
    made.wait_for_all()
    for rank in range(n_rank):
        time_ns = np.arange(0, made.end_ns(rank), 10_000_000)
        grown = np.clip(time_ns / (START_NS + OPENING_NS), 0.05, 1.0)
        made.add_rss(rank, time_ns, (grown * rss_mb * (1 << 20)).astype("u8"))
    return made.write(path)
