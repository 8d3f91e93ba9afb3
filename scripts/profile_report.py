#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report at the end of scripts/profile_suite.sh: report.md with the plots, tables, machine and commands.

Reads <dir>/timing-<N>/ and <dir>/memory-<N>/ as profile_timing.py and profile_memory.py leave them, and embeds the
plots that the analysis scripts have written to <dir>.

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written.
"""

import argparse
import os
import platform
import re
import subprocess
from pathlib import Path

import profiling
from profiling import BYTES_PER_MB

# Peak memory [MB] by stars a galaxy that Synthesizer publishes for ten galaxies: its documentation, "Pipeline
# profiling", the memory plot and table.
PEER_N_GALAXY = 10
PEER_PEAK_MB = {100: 882, 500: 1578, 1000: 2567, 5000: 9252, 10000: 14575}

TEXT = """\
# Time and memory of the pipeline

{n_galaxy} galaxies of each size, {ranks} {rank_word} of {threads} {thread_word}, all operations of `jobs/mission.yaml` in both frames, whole
process from start to end. {program}; {started}.

{machine}

## Beside the peer

{table}
Wall time is that of the timing run (memory sampled at 100 Hz), of which *galaxies* is the time from the first galaxy to the last. *Samples*
is the largest of the samples in the memory run, *kernel* the high-water mark that the kernel kept{sums}. MB are of 2^20 bytes. The
stellar population grid alone, of which a node holds one copy, takes {grid} MB; the rest of the memory before the first galaxy is
the program and its libraries.

Synthesizer's figures are those it publishes for ten galaxies (its documentation, *Pipeline profiling*), made by its authors on
their machine with 8 threads; ours are from the machine above. Both jobs ask for the same operations on a grid of the same size, but they
are not the same work: Synthesizer makes a spectrum for every star and holds them, we sum the stars on the grid first
(src/README.md says why that gives the same numbers); its benchmark takes optical depths from the line of sight and stars that
are all older than the grid (`jobs/peer-benchmark.yaml`), ours a dust screen and stars of all ages. Whether its MB are of 10^6 or of 2^20
bytes is not known to us.

![peak memory against particles](memory_scaling.{format})

Peak memory against the number of stars, with the line of O(n) through the first point.

{memory_table}
![memory against progress](memory_progress.{format})

Resident memory of each run from its start to its end, the peak circled. The climb at the beginning is the grid being read.

## Time

![time against particles](timing_scaling.{format})

{timing_table}
![time by operation](timing_bars.{format})

Time of each operation; {overhead}.

## Peaks by stage

{stages}
Largest resident memory during each stage of the run with {largest} stars a galaxy, by the kernel's high-water mark, which is set back
at the end of every stage: short peaks between two samples are in it.

## How this was made

```
scripts/profile_suite.sh --nparticles '{particles}' --nthreads {threads} --ranks {ranks}
```

Each size has a directory `timing-<stars>` and `memory-<stars>` beside this file, with the CSVs in the peer's columns, the job, the log and the trace
(`docs/formats.md`; `scripts/export_trace.py` makes JSON for ui.perfetto.dev of it).
"""


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="where the suite put its files")
    parser.add_argument("--nparticles", type=int, nargs="+", required=True, metavar="N", help="stars of each run")
    profiling.add_format_argument(parser)
    return parser.parse_args()


def describe_machine():
    """Processor, cores, memory, system, MPI: a Markdown list."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        meminfo = Path("/proc/meminfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpuinfo = meminfo = ""
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+) kB", meminfo)
    mpi = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    lines = [f"processor: {model[1] if model else platform.processor()}, {len(os.sched_getaffinity(0))} of "
             f"{os.cpu_count()} cpus usable",
             f"memory: {int(memory[1]) / 2**20:.1f} GiB" if memory else "memory: unknown",
             f"system: {platform.system()} {platform.release()}, {mpi or 'unknown MPI'}"]
    return "".join(f"- {line}\n" for line in lines)


def find_galaxies_s(trace):
    """Time from the begin of the first span of a galaxy to the end of the last."""
    spans = trace.spans[trace.spans["galaxy"] >= 0]
    return (spans["end_ns"].max() - spans["begin_ns"].min()) * 1e-9 if len(spans) else 0.0


def find_peak_mb(trace):
    """Largest sum of the ranks' samples, and sum of the kernel's marks [MB]."""
    total = profiling.sum_rss([(rows["time_ns"], rows["rss_bytes"])
                               for rows in (trace.rss_of(i) for i in range(len(trace.ranks)))])[1]
    return total.max() / BYTES_PER_MB if len(total) else 0.0, trace.ranks["peak_rss_bytes"].sum() / BYTES_PER_MB


def make_comparison(runs):
    """Rows of the table beside the peer. runs: {stars: (timing trace, memory trace)}."""
    header = ["stars per galaxy", "wall [s]", "galaxies [s]", "sampled at [Hz]", "peak, samples [MB]",
              "peak, kernel [MB]", "peak, Synthesizer [MB]", "ratio"]
    rows = []
    for n, (timing, memory) in runs.items():
        sampled, kernel = find_peak_mb(memory)
        peer = PEER_PEAK_MB.get(n) if timing.ranks["n_galaxy"].sum() == PEER_N_GALAXY else None
        rows.append([f"{n:,}", f"{timing.wall_s:.2f}", f"{find_galaxies_s(timing):.2f}", memory.attributes["sample_hz"],
                     f"{sampled:.1f}", f"{kernel:.1f}", f"{peer:,}" if peer else "-",
                     f"{peer / max(sampled, kernel):.1f}" if peer else "-"])
    return profiling.format_markdown(header, rows)


def make_stage_table(trace):
    """Peak of each stage over all ranks [MB], largest first."""
    peaks = trace.peak_rss.max(axis=1) / BYTES_PER_MB
    order = sorted(range(len(peaks)), key=lambda i: -peaks[i])
    rows = [[trace.stages[i], f"{peaks[i]:.1f}"] for i in order if peaks[i] > 0]
    if not rows:
        return "This kernel does not let the high-water mark be set back: there are none.\n"
    return profiling.format_markdown(["stage", "peak [MB]"], rows)


def find_grid_mb(directory, n):
    """Memory of the grid [MB], of what 'polyphony check' said of a run."""
    path = directory / f"timing-{n}/check.log"
    found = re.search(r"lines \(([0-9.e+]+) (kB|MB|GB) in memory", path.read_text("utf-8") if path.is_file() else "")
    scale = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
    return f"{float(found[1]) * scale[found[2]] / BYTES_PER_MB:.0f}" if found else "an unknown number of"


def main():
    """Read all traces and write the report."""
    args = parse_arguments()
    runs = {n: tuple(profiling.read_trace(args.dir / f"{kind}-{n}" / "output.trace.hdf5")
                     for kind in ("timing", "memory")) for n in sorted(args.nparticles)}
    first = runs[min(runs)][0]
    largest = max(runs)
    threads, ranks = int(first.ranks["n_thread"][-1]), len(first.ranks)
    path = args.dir / "report.md"
    path.write_text(TEXT.format(
        n_galaxy=int(first.ranks["n_galaxy"].sum()), ranks=ranks, rank_word="rank" if ranks == 1 else "ranks",
        threads=threads, thread_word="thread" if threads == 1 else "threads",
        program=f"polyphony {first.attributes['program_version']}", started=first.attributes["started_utc"],
        machine=describe_machine(), table=make_comparison(runs),
        sums="" if ranks == 1 else " (summed over ranks, whose peaks need not be at the same time)",
        grid=find_grid_mb(args.dir, largest), format=args.format,
        memory_table=(args.dir / "memory_scaling.md").read_text(encoding="utf-8"),
        timing_table=(args.dir / "timing_scaling.md").read_text(encoding="utf-8"),
        overhead="operations exclude each other, so a bar is the wall time of the run" if ranks == 1 else
                 "operations of a rank exclude each other, so a bar is the sum of the ranks' wall times",
        stages=make_stage_table(runs[largest][1]), largest=f"{largest:,}",
        particles=" ".join(map(str, args.nparticles))), encoding="utf-8")
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
