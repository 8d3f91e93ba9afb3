#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How time grows with the number of particles, from timing.csv files of profile_timing.py (or of the peer).

Labels are the numbers of particles. Writes into the output directory:

    timing_scaling.png         seconds against particles, log-log: the total, every operation that takes at least 5 %
                               of the total in any run, and the line of O(n) through the first total
    timing_scaling.md, timing_scaling.csv    the same numbers

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written.
"""

import argparse

import numpy as np
import profiling
from profiling import line_style, plt

SMALLEST_SHARE = 0.05  # of a run's total, in any run


def parse_arguments():
    """Command line; returns arguments and particle counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    profiling.add_analysis_arguments(parser, "timing.csv files", "numbers of particles a galaxy")
    args = parser.parse_args()
    profiling.check_labels(args)
    return args, profiling.parse_particle_counts(args.labels)


def choose_operations(runs):
    """Totals [s] of the runs; {name: seconds of the runs} of what matters in any, by its largest time."""
    names = dict.fromkeys(row.name for run in runs for row in run)
    total = np.array([sum(row.seconds for row in run) for run in runs])
    seconds = {name: np.array([sum(row.seconds for row in run if row.name == name) for run in runs]) for name in names}
    chosen = [name for name, s in seconds.items() if np.any((s >= SMALLEST_SHARE * total) & (s > 0))]
    return total, {name: seconds[name] for name in sorted(chosen, key=lambda name: -seconds[name].max())}


def plot_scaling(particles, total, operations):
    """Total and operations against particles."""
    figure, axes = plt.subplots(figsize=(8.2, 5.0))
    axes.set_xscale("log")
    axes.set_yscale("log")
    curves = [("Total", total)] + list(operations.items())
    for i, (name, seconds) in enumerate(curves):
        drawn = np.where(seconds > 0, seconds, np.nan)  # an operation a run lacks leaves a gap
        axes.plot(particles, drawn, label=name, zorder=4 if i == 0 else 3, linewidth=2.0 if i == 0 else 1.2,
                  **line_style(i + max(i - 1, 0) // (len(profiling.COLOURS) - 1)))  # black is the total's alone
    values = np.concatenate([seconds[seconds > 0] for _, seconds in curves])
    profiling.set_count_axis(axes, particles)
    profiling.set_log_limits(axes, values)
    if total[0] > 0:
        profiling.draw_linear_growth(axes, particles[0], total[0])
    axes.set_ylabel("Time, all ranks [s]")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), alignment="left", handlelength=3.2,
                title="Operation (≥ 5 % in any run)")
    return figure


def make_table(particles, total, operations):
    """Heading and rows: a row a number of particles."""
    header = ["particles", "Total [s]", "scaling factor"] + [f"{name} [s]" for name in operations]
    rows = [[n, f"{total[i]:.4f}", f"{total[i] / total[0]:.3f}" if total[0] > 0 else "-"] +
            [f"{seconds[i]:.4f}" for seconds in operations.values()] for i, n in enumerate(particles)]
    return header, rows


def main():
    """Read, draw, write tables."""
    args, particles = parse_arguments()
    order = np.argsort(particles)
    particles = [particles[i] for i in order]
    total, operations = choose_operations([profiling.read_timing(args.inputs[i]) for i in order])
    if not np.any(total > 0):
        raise profiling.ProfilingError("no operation of any input took time: there is nothing to draw")
    profiling.use_house_style()
    figure = plot_scaling(particles, total, operations)
    profiling.save_figure(figure, args.output_dir / f"timing_scaling.{args.format}")
    profiling.save_tables(args.output_dir, "timing_scaling.md", "timing_scaling.csv",
                          *make_table(particles, total, operations))
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
