#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the memory of runs over their course, from memory.csv files of profile_memory.py (or of the peer).

Writes into the output directory:

    memory_progress.png        resident memory [MB = 2^20 bytes], log axis, against progress from 0 to 100 % of each
                               run's samples; the peak of each run is circled

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written.
"""

import argparse

import numpy as np
import profiling
from profiling import DASHES, plt

FEW_SAMPLES = 40  # so few are drawn as points too
DRAWN_BINS = 1500  # more than pixels across
LABEL_BAND = 0.16  # of the height of the axes, at the top
MOST_LABELS, LONGEST_LABEL = 7, 12  # what the band has room for; else values are in the legend only


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    profiling.add_analysis_arguments(parser, "memory.csv files", "names of the runs, e.g. numbers of particles")
    args = parser.parse_args()
    profiling.check_labels(args)
    return args


def get_progress(time_ms):
    """Percent of the way from the first sample to the last; one moment counts as the end."""
    length = time_ms[-1] - time_ms[0]
    return 100.0 * (time_ms - time_ms[0]) / length if length > 0 else np.full(len(time_ms), 100.0)


def thin(progress, rss_mb):
    """At most two samples, the least and the most, in every bin of progress: looks the same and draws faster."""
    if len(progress) <= 2 * DRAWN_BINS:
        return progress, rss_mb
    bins = np.minimum((progress * 0.01 * DRAWN_BINS).astype(int), DRAWN_BINS - 1)
    by_value = np.lexsort((rss_mb, bins))
    is_first = np.diff(bins[by_value], prepend=-1) > 0
    is_last = np.diff(bins[by_value], append=DRAWN_BINS) > 0
    kept = np.unique(by_value[is_first | is_last])
    return progress[kept], rss_mb[kept]


def label_peaks(axes, peaks, has_band):
    """A circle on each peak, and its value in a band above the curves. peaks: [(progress, MB, label, colour)]."""
    places = profiling.spread([peak[0] for peak in peaks], 12.2, 5.0, 95.0)
    for (progress, rss_mb, label, colour), place in zip(peaks, places):
        axes.plot(progress, rss_mb, "o", markersize=10, markerfacecolor="none", markeredgecolor=colour,
                  markeredgewidth=1.4, zorder=5)
        if has_band:
            axes.annotate(f"{label}\n{rss_mb:,.1f} MB", (progress, rss_mb), (place, 0.985),
                          textcoords=axes.get_xaxis_transform(), ha="center", va="top", fontsize=7.5, linespacing=1.25,
                          arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 1,
                                      "shrinkB": 5.5})


def plot_progress(labels, runs):
    """All runs on one pair of axes."""
    figure, axes = plt.subplots(figsize=(9.0, 5.0))
    axes.set_yscale("log")
    peaks = []
    for i, (label, (time_ms, rss_mb), colour) in enumerate(zip(labels, runs, profiling.sequence_colours(len(runs)))):
        progress = get_progress(time_ms)
        shown = np.where(rss_mb > 0, rss_mb, np.nan)
        axes.plot(*thin(progress, shown), color=colour, linestyle=DASHES[i % len(DASHES)], linewidth=1.3,
                  label=f"{label}: {rss_mb.max():,.1f} MB", marker="." if len(progress) <= FEW_SAMPLES else None,
                  drawstyle="steps-post")
        i_peak = int(np.argmax(rss_mb))
        peaks.append((progress[i_peak], rss_mb[i_peak], label, colour))
    axes.set_xlim(-2, 102)
    values = np.concatenate([rss_mb[rss_mb > 0] for _, rss_mb in runs])
    has_band = len(runs) <= MOST_LABELS and max(map(len, labels)) <= LONGEST_LABEL
    label_peaks(axes, peaks, has_band)
    profiling.set_log_limits(axes, values, LABEL_BAND if has_band else 0.0)
    axes.set_xlabel("Progress of the run [%]")
    axes.set_ylabel(profiling.MEMORY_AXIS)
    axes.grid(axis="y", which="major")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), title="Run: peak", alignment="left", handlelength=3.2)
    return figure


def main():
    """Read and draw."""
    args = parse_arguments()
    runs = [profiling.read_memory(path) for path in args.inputs]
    for path, (_, rss_mb) in zip(args.inputs, runs):
        if not np.any(rss_mb > 0):
            raise profiling.ProfilingError(f"'{path}': rss_mb is 0 in all rows")
    profiling.use_house_style()
    profiling.save_figure(plot_progress(args.labels, runs), args.output_dir / f"memory_progress.{args.format}")
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
