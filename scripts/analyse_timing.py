#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the time of runs by operation, from timing.csv files of profile_timing.py (or of the peer).

Writes into the output directory:

    timing_bars.png            a stacked bar a run, in seconds and as shares of its total
    timing.md, timing_table.csv    operations x runs [s], with shares of the total

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written.
"""

import argparse

import numpy as np
import profiling
from profiling import COLOURS, HATCHES, plt

SMALLEST_SHARE = 0.02  # of a run's total: what is below in every run is drawn as one
LABELLED_SHARE = 0.045  # a segment tall enough for its percentage


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    profiling.add_analysis_arguments(parser, "timing.csv files", "names of the runs")
    args = parser.parse_args()
    profiling.check_labels(args)
    return args


def collect_operations(runs):
    """Names in order of appearance, and seconds (n_operation, n_run); an operation a run lacks takes 0 s."""
    names = list(dict.fromkeys(row.name for run in runs for row in run))
    seconds = np.zeros((len(names), len(runs)))
    for i_run, run in enumerate(runs):
        for row in run:
            seconds[names.index(row.name), i_run] += row.seconds
    return names, seconds


def get_shares(seconds):
    """Shares of each run's total; 0 for a run that took no time."""
    total = seconds.sum(axis=0)
    return np.divide(seconds, total, out=np.zeros_like(seconds), where=total > 0)


def merge_small(names, seconds):
    """Segments to draw: operations that matter somewhere, largest first, and the sum of the others."""
    shares = get_shares(seconds).max(axis=1)
    large = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= SMALLEST_SHARE]
    small = [i for i in range(len(names)) if i not in large]
    drawn = [(names[i], seconds[i]) for i in large]
    if small:
        drawn.append((f"{len(small)} others, each < {100 * SMALLEST_SHARE:.0f} %", seconds[small].sum(axis=0)))
    return drawn


def draw_bars(axes, segments, scale, percent):
    """Stacked bars; percent writes shares into segments that are tall enough."""
    bottom = np.zeros(len(scale))
    x = np.arange(len(scale))
    for i, (name, seconds) in enumerate(segments):
        height = seconds * scale
        is_rest = " others, each < " in name
        colour = "white" if is_rest else COLOURS[1 + i % (len(COLOURS) - 1)]
        axes.bar(x, height, 0.72, bottom, color=colour, edgecolor="black", linewidth=0.3, label=name,
                 hatch="" if is_rest else HATCHES[i % 3])  # 3 and 7 colours: neighbours differ in both
        for column in x[height >= 100 * LABELLED_SHARE] if percent else ():
            axes.text(column, bottom[column] + 0.5 * height[column], f"{height[column]:.0f} %", ha="center",
                      va="center", fontsize=7, bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.8})
        bottom += height
    return bottom


def plot_bars(labels, names, seconds):
    """Seconds on the left, shares on the right, one legend."""
    segments = merge_small(names, seconds)
    total = seconds.sum(axis=0)
    n_run = len(labels)
    is_crowded = n_run > 7
    figure, (left, right) = plt.subplots(1, 2, figsize=(min(6.0 + 0.7 * n_run, 16), 5.0))
    top = draw_bars(left, segments, np.ones(n_run), False)
    for i, height in enumerate(top):
        left.annotate(f"{total[i]:,.0f} s" if total[i] >= 100 else f"{total[i]:.3g} s", (i, height), (0, 2),
                      textcoords="offset points", ha="center", va="bottom", fontsize=7.5,
                      rotation=90 if is_crowded else 0)
    left.set_ylim(0, (1.2 if is_crowded else 1.08) * max(total.max(), 1e-9))
    left.set_ylabel("Time, all ranks [s]")
    draw_bars(right, segments, np.divide(100.0, total, out=np.zeros(n_run), where=total > 0), True)
    right.set_ylim(0, 100)
    right.set_ylabel("Share of the run's time [%]")
    is_long = max(map(len, labels)) * n_run > 38
    for axes in (left, right):
        axes.set_xticks(range(n_run), labels, rotation=35 if is_long else 0, ha="right" if is_long else "center",
                        rotation_mode="anchor")
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("Run")
        axes.set_xlim(-0.65, n_run - 0.35)
    handles, texts = right.get_legend_handles_labels()
    right.legend(handles[::-1], texts[::-1], loc="upper left", bbox_to_anchor=(1.02, 1.02), title="Operation",
                 alignment="left", handleheight=1.2)
    return figure


def make_table(labels, names, seconds):
    """Heading and rows: seconds and share of each run, and totals."""
    shares = get_shares(seconds)
    header = ["operation"] + [f"{label} [{unit}]" for label in labels for unit in ("s", "%")]
    rows = [[name] + [text for s, share in zip(seconds[i], shares[i]) for text in (f"{s:.4f}", f"{100 * share:.1f}")]
            for i, name in enumerate(names)]
    totals = seconds.sum(axis=0)
    rows.append(["Total"] + [text for total in totals for text in (f"{total:.4f}", f"{100.0 * (total > 0):.1f}")])
    return header, rows


def main():
    """Read, draw, write tables."""
    args = parse_arguments()
    names, seconds = collect_operations([profiling.read_timing(path) for path in args.inputs])
    profiling.use_house_style()
    profiling.save_figure(plot_bars(args.labels, names, seconds), args.output_dir / f"timing_bars.{args.format}")
    profiling.save_tables(args.output_dir, "timing.md", "timing_table.csv", *make_table(args.labels, names, seconds))
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
