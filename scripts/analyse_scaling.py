#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strong or weak scaling of polyphony from the trace files of several runs: scaling.md with figures, scaling.csv.

A worker is a rank that computes, with all its threads; rank 0 of several ranks only deals and is none. Wall time is
that of the galaxies' phase, from the first batch dealt to the last one done, without starting up and closing. The
reference is the run with the fewest workers (of several, the fastest).

    strong   the same galaxies in all runs: speed-up = t_ref / t_W, efficiency = speed-up / (W / W_ref)
    weak     the same galaxies a worker:    efficiency = t_ref / t_W
    bound    max(total busy time of galaxies / W, longest galaxy): no order of dealing is faster
    imbalance    largest busy time of a worker / mean of the workers

Exit codes: 0 done, 2 usage, 3 a trace cannot be read, 5 the report cannot be written.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from profiling import (BYTES_PER_MB, USAGE, ProfilingError, add_format_argument, as_text, format_markdown, read_trace,
                       run_script, save_figure, use_house_style)
from scaling_measures import STRONG, compare_runs, measure_run
from scaling_plots import plot_busy, plot_costs, plot_scaling, plot_utilisation
from scaling_timeline import plot_galaxies, plot_rss, plot_stages

CSV_COLUMNS = ("label", "ranks", "workers", "threads", "galaxies", "wall_s", "run_s", "speed_up", "efficiency",
               "total_busy_s", "longest_s", "bound_s", "wall_over_bound", "imbalance", "idle_share", "dealer_load",
               "peak_rss_mb", "summed_peak_rss_mb", "threads_per_cpu", "is_longest_exact")
TABLE_COLUMNS = ("run", "ranks", "workers", "threads", "galaxies", "wall s", "whole run s", "speed-up", "efficiency",
                 "bound s", "wall / bound", "imbalance", "idle", "rank 0 dealing", "peak MB a rank", "sum of peaks MB")
HOW_TO_READ = {
    "scaling": "Wall time, speed-up and efficiency. No order of dealing can beat the bound, which is made of the busy "
               "times of each run: from the ideal line to it, one galaxy is too long or the workers slow each other "
               "down (then total_busy_s in scaling.csv grows); from it to the measured points, workers wait.",
    "utilisation": "Share of the workers that are computing, from the first batch dealt to the last one done. A tail "
                   "on the right is a large galaxy that ends after the others; gaps before it are workers waiting.",
    "busy": "Busy time of each worker. Were all bars as long as the mean, no worker would have waited for another.",
    "galaxies": "What each rank computed and when, by size (run {run}).",
    "stages": "The same by stage: what the time of a galaxy goes to (run {run}).",
    "costs": "Each point is a batch. The scatter (root mean square of log10 measured / expected) says how well the "
             "dealer knows beforehand how long a batch takes.",
    "rss": "Resident memory of the ranks (run {run}).",
}


def make_label(path):
    """The file's name without its endings."""
    name = Path(path).name
    for ending in (".hdf5", ".h5", ".trace"):
        name = name.removesuffix(ending)
    return name


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", nargs="+", metavar="TRACE", help="trace file of a run (<output>.trace.hdf5)")
    parser.add_argument("--kind", choices=("auto", "strong", "weak"), default="auto",
                        help="of scaling; auto: by the galaxies of the runs (default: %(default)s)")
    parser.add_argument("--labels", nargs="+", metavar="LABEL",
                        help="names of the runs, as many as traces (default: the files' names)")
    parser.add_argument("--output-dir", type=Path, default=Path("."), metavar="DIR",
                        help="where the report goes; made if missing (default: the current directory)")
    parser.add_argument("--gantt", metavar="RUN", help="run whose ranks are drawn over time: its label, or its place "
                        "among the traces, from 1 (default: the run with most workers)")
    add_format_argument(parser)
    args = parser.parse_args()
    if args.labels and len(args.labels) != len(args.traces):
        parser.error(f"{len(args.traces)} traces and {len(args.labels)} labels: give one label a trace")
    args.labels = args.labels or [make_label(path) for path in args.traces]
    if len(set(args.labels)) < len(args.labels):
        parser.error(f"labels must differ: {' '.join(args.labels)}; give --labels")
    return args


def choose_run(runs, wanted):
    """The run to draw over time. runs: in the order of the traces."""
    if wanted is None:
        return max(runs, key=lambda run: run.n_worker)
    by_label = [run for run in runs if run.label == wanted]
    if by_label:
        return by_label[0]
    if wanted.isdigit() and 1 <= int(wanted) <= len(runs):
        return runs[int(wanted) - 1]
    raise ProfilingError(f"--gantt {wanted}: there is no such run; labels: {', '.join(run.label for run in runs)}; "
                         f"or a number from 1 to {len(runs)}", USAGE)


def list_csv_rows(comparison):
    """Rows of scaling.csv."""
    return [(run.label, run.n_rank, run.n_worker, run.n_thread, run.n_galaxy, f"{run.wall_s:.6f}", f"{run.run_s:.6f}",
             f"{speed_up:.6g}", f"{efficiency:.6g}", f"{run.total_s:.6f}", f"{run.longest_s:.6f}", f"{run.bound_s:.6f}",
             f"{divide(run.wall_s, run.bound_s):.6g}", f"{run.imbalance:.6g}", f"{run.idle_share:.6g}",
             f"{run.dealer_load:.6g}", f"{run.peak_rss_bytes / BYTES_PER_MB:.3f}",
             f"{run.summed_rss_bytes / BYTES_PER_MB:.3f}", f"{run.crowding:.6g}", int(run.is_longest_exact))
            for run, speed_up, efficiency in zip(comparison.runs, comparison.speed_up, comparison.efficiency)]


def write_csv(path, comparison):
    """scaling.csv."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([CSV_COLUMNS, *list_csv_rows(comparison)])
    print(f"wrote {path}")


def divide(value, by):
    """NaN instead of a division by zero."""
    return value / by if by else np.nan


def list_table_rows(comparison):
    """Rows of the report's table; what cannot be known is a dash."""
    def show(value, form):
        return format(value, form) if np.isfinite(value) else "–"

    return [(run.label + " !" * run.is_crowded, run.n_rank, run.n_worker, run.n_thread, run.n_galaxy,
             show(run.wall_s, ".4g"), show(run.run_s, ".4g"), show(speed_up, ".2f"), show(efficiency, ".1%"),
             show(run.bound_s, ".4g"), show(divide(run.wall_s, run.bound_s), ".3f"), show(run.imbalance, ".3f"),
             show(run.idle_share, ".1%"), show(run.dealer_load, ".2%"), show(run.peak_rss_bytes / BYTES_PER_MB, ".0f"),
             show(run.summed_rss_bytes / BYTES_PER_MB, ".0f"))
            for run, speed_up, efficiency in zip(comparison.runs, comparison.speed_up, comparison.efficiency)]


def describe_reference(comparison):
    """Which run the others are compared with."""
    reference = comparison.reference
    text = f"Reference: {reference.label}, {reference.n_worker} worker{'s' * (reference.n_worker > 1)}"
    if reference.n_worker > 1:
        text += "; there is no run with 1 worker, so speed-up and efficiency are relative to this one"
    return text + "."


def describe_runs(comparison):
    """Where the traces come from, as a Markdown table."""
    rows = []
    for run in comparison.runs:
        trace = run.trace
        hosts = list(dict.fromkeys(as_text(host) for host in trace.ranks["host"]))
        named = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
        rows.append((run.label, f"`{trace.path}`", trace.attributes["started_utc"], named,
                     trace.attributes["program_version"], trace.attributes["schedule_mode"], trace.attributes["mode"]))
    return format_markdown(("run", "trace", "started", "hosts", "polyphony", "dealing", "trace mode"), rows, left=7)


def write_report(path, comparison, figures, drawn):
    """scaling.md. figures: {name: file name} of those that were made."""
    than = "t_ref / t_W, efficiency = speed-up / (W / W_ref)" if comparison.kind == STRONG else \
        "W / W_ref · t_ref / t_W (scaled), efficiency = t_ref / t_W"
    longest = "galaxy" if all(run.is_longest_exact for run in comparison.runs) else "galaxy or batch"
    lines = [f"# {comparison.kind.capitalize()} scaling", "",
             f"{comparison.kind.capitalize()} scaling: {comparison.why}. {describe_reference(comparison)}", ""]
    lines += [f"> **Note.** {text}\n" for text in comparison.warnings]
    lines += [format_markdown(TABLE_COLUMNS, list_table_rows(comparison)),
              f"Wall time: first batch dealt to last one done. Speed-up = {than}. Bound = max(total busy / W, longest "
              f"{longest}). Imbalance: largest / mean busy time of workers. Idle: of all workers' time in the phase. "
              "MB are of 2^20 bytes; peaks are the kernel's. All numbers: `scaling.csv`.", ""]
    for name, file_name in figures.items():
        lines += [f"![{name}]({file_name})", "", HOW_TO_READ[name].format(run=drawn.label), ""]
    lines += ["## Runs", "", describe_runs(comparison)]
    path.write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {path}")


def draw_figures(comparison, drawn, args):
    """Make the figures there is anything for: {name: file name}."""
    figures = {}
    for name, plot, subject in (("scaling", plot_scaling, comparison), ("utilisation", plot_utilisation, comparison),
                                ("busy", plot_busy, comparison), ("galaxies", plot_galaxies, drawn),
                                ("stages", plot_stages, drawn), ("costs", plot_costs, comparison),
                                ("rss", plot_rss, drawn)):
        figure = plot(subject)
        if figure is not None:
            figures[name] = f"{name}.{args.format}"
            save_figure(figure, args.output_dir / figures[name])
    return figures


def main():
    """Read, compare, draw, write."""
    args = parse_arguments()
    runs = [measure_run(read_trace(path), label) for path, label in zip(args.traces, args.labels)]
    drawn = choose_run(runs, args.gantt)
    comparison = compare_runs(runs, args.kind)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    use_house_style()
    figures = draw_figures(comparison, drawn, args)
    write_csv(args.output_dir / "scaling.csv", comparison)
    write_report(args.output_dir / "scaling.md", comparison, figures, drawn)
    print(format_markdown(TABLE_COLUMNS, list_table_rows(comparison)), end="")
    for text in comparison.warnings:
        print(f"Note: {text}")


if __name__ == "__main__":
    run_script(main)
