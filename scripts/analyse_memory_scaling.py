#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How peak memory grows with the number of particles, from memory.csv files of profile_memory.py (or of the peer).

Labels are the numbers of particles. Writes into the output directory:

    memory_scaling.png         peak resident memory [MB = 2^20 bytes] against particles, log-log, with the line of O(n)
                               through the first peak
    memory_scaling.md, memory_scaling.csv    particle count, peak memory, scaling factor: the peak relative to the
                               first one and to the one before

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written.
"""

import argparse

import numpy as np
import profiling
from profiling import plt


def parse_arguments():
    """Command line; returns arguments and particle counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    profiling.add_analysis_arguments(parser, "memory.csv files", "numbers of particles a galaxy")
    args = parser.parse_args()
    profiling.check_labels(args)
    return args, profiling.parse_particle_counts(args.labels)


def read_peak(path):
    """Largest rss_mb of a memory.csv."""
    peak_mb = profiling.read_memory(path)[1].max()
    if peak_mb <= 0:
        raise profiling.ProfilingError(f"'{path}': rss_mb is 0 in all rows")
    return peak_mb


def plot_scaling(particles, peaks_mb):
    """Peaks with their values, and O(n)."""
    figure, axes = plt.subplots(figsize=(6.4, 4.6))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(particles, peaks_mb, "o-", color="#0b5a8a", label="peak of the samples", zorder=3)
    for i, (n, peak_mb) in enumerate(zip(particles, peaks_mb)):
        is_last = 0 < i == len(particles) - 1  # to its right the axes end
        axes.annotate(f"{peak_mb:,.1f}", (n, peak_mb), (-3, 5) if is_last else (2, -5), textcoords="offset points",
                      ha="right" if is_last else "left", va="bottom" if is_last else "top", fontsize=7.5, zorder=2,
                      bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.8})
    profiling.set_count_axis(axes, particles)
    profiling.set_log_limits(axes, peaks_mb, least=10.0)
    profiling.draw_linear_growth(axes, particles[0], peaks_mb[0])
    axes.set_ylabel(f"Peak {profiling.MEMORY_AXIS[0].lower()}{profiling.MEMORY_AXIS[1:]}")
    axes.legend(loc="lower right")
    return figure


def make_table(particles, peaks_mb):
    """Heading and rows: a row a number of particles."""
    header = ["particles", "peak memory [MB (2^20 bytes)]", "scaling factor (to the first)",
              "scaling factor (to the previous)"]
    rows = [[n, f"{peak:.1f}", f"{peak / peaks_mb[0]:.3f}", f"{peak / peaks_mb[i - 1]:.3f}" if i else "-"]
            for i, (n, peak) in enumerate(zip(particles, peaks_mb))]
    return header, rows


def main():
    """Read, draw, write tables."""
    args, particles = parse_arguments()
    order = np.argsort(particles)
    particles = [particles[i] for i in order]
    peaks_mb = np.array([read_peak(args.inputs[i]) for i in order])
    profiling.use_house_style()
    figure = plot_scaling(particles, peaks_mb)
    profiling.save_figure(figure, args.output_dir / f"memory_scaling.{args.format}")
    profiling.save_tables(args.output_dir, "memory_scaling.md", "memory_scaling.csv", *make_table(particles, peaks_mb))
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
