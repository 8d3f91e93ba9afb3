#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profile the time of a job: which operation takes how many seconds, in how many calls.

Makes a catalogue, runs jobs/mission.yaml on it, and writes into the output directory (each with the basename before
it, if one is given):

    timing.csv            operation,seconds,count,source; seconds are summed over ranks, each rank's operations
                          follow each other and exclude each other, so their sum is the wall time of one rank
    time_vs_count.png     the same as a plot
    output.hdf5           results
    output.trace.hdf5     trace of every rank, with resident memory sampled at --trace-frequency
    catalogue.hdf5, job.yaml, run.log    the input, the job, what the program said

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written, otherwise that of polyphony.
"""

import argparse
import sys

import numpy as np
import profiling
from profiling import plt
from profiling_run import (add_run_arguments, check_run_arguments, describe_run, name_file, note_crowding,
                           run_profiled)

LABEL_GAP = 0.043  # of the height of the axes, between lines of text


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser)
    parser.add_argument("--trace-frequency", type=int, default=100, metavar="HZ",
                        help="samples of resident memory a second, 1 to 5000; many cost time (default: %(default)s)")
    args = parser.parse_args()
    check_run_arguments(args)
    if not 1 <= args.trace_frequency <= 5000:
        raise profiling.ProfilingError(f"--trace-frequency is {args.trace_frequency}, expected 1 to 5000 Hz",
                                       profiling.USAGE)
    return args


def label_points(axes, points, is_left):
    """Names in a column beside the points, with a thin line to each. points: [(x, y, name)]."""
    if not points:
        return
    to_axes = axes.transAxes.inverted()
    heights = [to_axes.transform(axes.transData.transform((x, y)))[1] for x, y, _ in points]
    places = profiling.spread(heights, LABEL_GAP, 0.025, 0.975)
    edge, side, near = (0.265, "right", 1.0) if is_left else (0.735, "left", 0.0)
    for (x, y, name), place in zip(points, places):
        axes.annotate(name, (x, y), (edge, place), textcoords="axes fraction", ha=side, va="center", fontsize=7.5,
                      arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 3,
                                  "relpos": (near, 0.5)})


def plot_time_vs_count(operations, galaxy_stages, title):
    """Seconds against calls; operations of galaxies are discs, what a rank does besides is squares."""
    shown = [(row.count, row.seconds, row.name, row.name in galaxy_stages) for row in operations
             if row.count and row.seconds > 0]
    if not shown:
        raise profiling.ProfilingError("the trace has no operation that took time: there is nothing to draw")
    counts, seconds = np.array([row[0] for row in shown], "f8"), np.array([row[1] for row in shown])
    figure, axes = plt.subplots(figsize=(7.6, 5.2))
    axes.set_xscale("log")
    axes.set_yscale("log")
    for is_galaxy, marker, colour, name in ((True, "o", "#0b5a8a", "of galaxies"),
                                            (False, "s", "#e69f00", "of a rank besides")):
        chosen = np.array([row[3] == is_galaxy for row in shown])
        if np.any(chosen):
            axes.plot(counts[chosen], seconds[chosen], marker, color=colour, markeredgecolor="black",
                      markeredgewidth=0.5, markersize=5.5, label=name, zorder=3)
    # The points take the middle of the axes, labels the two sides.
    low, high = np.log10(counts.min()), np.log10(counts.max())
    width = max(high - low, 1.0)
    centre = 0.5 * (low + high)
    axes.set_xlim(10 ** (centre - 1.25 * width), 10 ** (centre + 1.25 * width))
    profiling.set_log_limits(axes, seconds)
    profiling.label_log_axis(axes.xaxis)
    figure.canvas.draw()
    points = [(x, y, name) for x, y, name, _ in shown]
    label_points(axes, [p for p in points if np.log10(p[0]) < centre], True)
    label_points(axes, [p for p in points if np.log10(p[0]) >= centre], False)
    axes.set_xlabel("Number of calls")
    axes.set_ylabel("Time, all ranks [s]")
    axes.set_title(title)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure


def print_table(operations, trace):
    """Operations by time, what is in none, and the total: ranks times wall time."""
    total = trace.wall_s * len(trace.ranks)
    named = sum(row.seconds for row in operations)
    rows = [(row.name, row.seconds, row.count) for row in sorted(operations, key=lambda row: -row.seconds)]
    rows += [("Overhead", total - named, ""), ("Total", total, "")]
    print(f"\n{'operation':<28}{'seconds':>10}{'%':>7}{'count':>8}")
    for name, seconds, count in rows:
        print(f"{name:<28}{seconds:>10.4f}{100 * seconds / total if total else 0:>7.1f}{count:>8}")


def main():
    """Run, write, draw."""
    args = parse_arguments()
    sys.stderr.write(note_crowding(args))
    files, trace = run_profiled(args, args.trace_frequency)
    operations = profiling.sum_operations(trace)
    path = name_file(args, "timing.csv")
    profiling.write_timing(path, operations)
    profiling.use_house_style()
    line = describe_run(args, trace)
    figure = plot_time_vs_count(operations, trace.stages[:trace.n_galaxy_stage], line)
    print(line)
    for written in (files.output, files.trace, path):
        print(f"wrote {written}")
    profiling.save_figure(figure, name_file(args, f"time_vs_count.{args.format}"))
    print_table(operations, trace)
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
