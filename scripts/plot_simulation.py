#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what `polyphony simulate JOB --csv FILE` predicts: wall time and efficiency against workers, how busy rank 0 is,
and how long workers wait at the end, for each mode of dealing.

Exit codes: 0 drawn, 2 usage, 3 the table cannot be read or is not one of `polyphony simulate`, 5 the picture cannot be
written.
"""

import argparse
import csv
import math
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FixedLocator, NullLocator  # noqa: E402

NUMBERS = ("workers", "wall_s", "bound_s", "efficiency", "rank_0_load", "idle_tail_s")
# mode: (colour, marker, line style): each differs, so that it reads in grey and where lines lie on each other.
STYLES = {
    "dynamic": ("#0072b2", "o", "-"),
    "static-lpt": ("#009e73", "s", "--"),
    "static-cyclic": ("#e69f00", "^", "-."),
    "static-block": ("#d55e00", "D", ":"),
}
LESS_THAN_DRAWN_S = 1e-6  # idle tails below are drawn here: a logarithmic axis has no zero

plt.rcParams.update({
    "font.size": 9, "axes.linewidth": 0.6, "xtick.direction": "in", "ytick.direction": "in",
    "legend.frameon": False, "savefig.dpi": 160, "mathtext.default": "regular",
})


class WrongInput(Exception):
    """The table is not what it should be; the text names file, line and column."""


def read_table(path):
    """{mode: {column: [value]}} with rows in order of workers."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in ("mode", *NUMBERS) if name not in (reader.fieldnames or ())]
            if missing:
                raise WrongInput(f"'{path}' has no column '{missing[0]}': is it from polyphony simulate --csv?")
            rows = [read_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WrongInput(f"'{path}' cannot be read: {error}") from None
    if not rows:
        raise WrongInput(f"'{path}' has no rows")
    table = {}
    for row in sorted(rows, key=lambda row: row["workers"]):
        columns = table.setdefault(row["mode"], {name: [] for name in NUMBERS})
        for name in NUMBERS:
            columns[name].append(row[name])
    return table


def read_row(path, line, row):
    """One line with its numbers as numbers."""
    values = {"mode": row["mode"]}
    for name in NUMBERS:
        try:
            values[name] = float(row[name])
        except (TypeError, ValueError):
            values[name] = math.nan
        if not math.isfinite(values[name]) or values[name] < 0:
            raise WrongInput(f"'{path}' line {line}: {name} '{row[name]}' is not a number >= 0")
    if values["workers"] < 1 or not values["wall_s"] > 0:
        raise WrongInput(f"'{path}' line {line}: workers and wall_s must be above 0")
    return values


def thin_ticks(workers):
    """Numbers of workers that are far enough from each other to be written out."""
    ticks = []
    for n in sorted(set(workers)):
        if not ticks or n / ticks[-1] > 1.3:
            ticks.append(n)
    return ticks


def draw_modes(axes, table, column, factor=1.0, least=0.0):
    """A line for each mode."""
    for mode in sorted(table, key=lambda mode: list(STYLES).index(mode) if mode in STYLES else len(STYLES)):
        colour, marker, line = STYLES.get(mode, ("0.4", "x", "-"))
        axes.plot(table[mode]["workers"], [max(factor * value, least) for value in table[mode][column]], color=colour,
                  marker=marker, linestyle=line, linewidth=1.1, markersize=5, markerfacecolor="white", label=mode)


def draw(table, title):
    """The figure: wall time, efficiency, rank 0, idle tail."""
    figure, ((wall, efficiency), (load, tail)) = plt.subplots(2, 2, figsize=(8, 6), layout="constrained", sharex=True)
    bounds = {n: bound for columns in table.values() for n, bound in zip(columns["workers"], columns["bound_s"])}
    ticks = thin_ticks(bounds)

    wall.plot(sorted(bounds), [bounds[n] for n in sorted(bounds)], color="0.55", linewidth=3, alpha=0.6,
              label="bound: all work shared evenly,\nor the largest galaxy alone")
    draw_modes(wall, table, "wall_s")
    wall.set_yscale("log")
    wall.set_ylabel("Wall time [s]")
    wall.legend(fontsize=8)
    draw_modes(efficiency, table, "efficiency", 100.0)
    efficiency.set_ylabel("Efficiency [%]")
    efficiency.set_ylim(0, 105)
    draw_modes(load, table, "rank_0_load", 100.0)
    load.set_ylabel("Rank 0 busy [% of wall time]")
    load.set_ylim(0, max(1.0, *(110.0 * value for columns in table.values() for value in columns["rank_0_load"])))
    draw_modes(tail, table, "idle_tail_s", least=LESS_THAN_DRAWN_S)
    tail.set_yscale("log")
    tail.set_ylabel("Idle tail [s]")
    for axes in (wall, efficiency, load, tail):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axes in (load, tail):
        axes.set_xlabel("Workers (ranks that compute)")
    figure.suptitle(title, fontsize=10)
    return figure


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("csv", help="table of 'polyphony simulate JOB --csv FILE'")
    parser.add_argument("-o", "--output", default="simulation.png",
                        help="picture to write: png, pdf or svg (default: %(default)s)")
    parser.add_argument("--title", default="", help="above the picture (default: none)")
    args = parser.parse_args()
    try:
        table = read_table(args.csv)
    except WrongInput as error:
        print(f"plot_simulation.py: {error}", file=sys.stderr)
        return 3
    figure = draw(table, args.title)
    try:
        figure.savefig(args.output)
    except (OSError, ValueError) as error:
        print(f"plot_simulation.py: '{args.output}' cannot be written: {error}", file=sys.stderr)
        return 5
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
