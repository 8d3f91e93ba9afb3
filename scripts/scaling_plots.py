# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that compare the runs of a scaling study. A module, not a program: each function returns a matplotlib figure,
or None if the traces hold nothing for it.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from profiling import COLOURS, line_style
from scaling_measures import STRONG, fit_costs, measure_utilisation

MAX_PANELS = 9  # of one figure, a run each
MAX_BUSY_BARS = 60  # with edges
MAX_COST_RUNS = 8
FILL = "#b3d4e8"
IDEAL = {"color": "0.45", "linestyle": (0, (5, 2)), "linewidth": 1.0, "marker": "_"}
BOUND = {"color": COLOURS[3], "linestyle": ":", "marker": "^", "markersize": 8, "markerfacecolor": "white"}
LEGEND_INCHES = 0.3  # below the panels


def add_legend_below(figure, handles):
    """One legend for all panels."""
    share = LEGEND_INCHES / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))
    figure.legend(handles=handles, loc="lower center", ncol=len(handles))


def format_plain(value, _=None):
    """A number of a logarithmic axis, with a power of ten where it would be long."""
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return ("" if mantissa == "1" else rf"{mantissa}$\times$") + f"10$^{{{int(exponent)}}}$"


def set_worker_axis(axes, n_workers):
    """Logarithmic, with ticks where runs are, thinned so that they do not touch."""
    ticks = []
    for n in sorted(set(n_workers)):
        if not ticks or n / ticks[-1] > 1.3:
            ticks.append(n)
    axes.set_xscale("log")
    axes.set_xlim(min(n_workers) / 1.25, max(n_workers) * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(format_plain))
    axes.set_xlabel("Workers (ranks that compute)")


def set_log_axis(axis, low, high):
    """More ticks a decade the shorter the range, so that there are always some with numbers."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    choices = ((5, (1, 1.5, 2, 3, 4, 5, 7)), (50, (1, 2, 5)), (1000, (1, 3)), (np.inf, (1,)))
    steps = next(steps for widest, steps in choices if high / low <= widest)
    ticks = np.array([step * 10.0 ** decade for decade in decades for step in steps])
    axis.set_major_locator(FixedLocator(ticks[(ticks >= low) & (ticks <= high)]))
    axis.set_major_formatter(FuncFormatter(format_plain))
    axis.set_minor_formatter(NullFormatter())


def list_fastest(n_workers):
    """The first of each number of workers; compare_runs() puts the fastest there."""
    return np.unique(n_workers, return_index=True)[1]


def draw_points(axes, comparison, values):
    """All runs, hollow where threads shared cpus, and a line through the fastest of each number of workers."""
    n_workers = np.array([run.n_worker for run in comparison.runs])
    crowded = np.array([run.is_crowded for run in comparison.runs])
    fastest = list_fastest(n_workers)
    axes.plot(n_workers[fastest], values[fastest], color=COLOURS[1], linewidth=1.2, zorder=3)
    axes.plot(n_workers[~crowded], values[~crowded], "o", color=COLOURS[1], zorder=4)
    axes.plot(n_workers[crowded], values[crowded], "o", markerfacecolor="white", color=COLOURS[1], zorder=4)


def fit_log_axis(axes, values):
    """A logarithmic y axis around these values."""
    values = values[np.isfinite(values) & (values > 0)]
    low, high = values.min() / 1.3, values.max() * 1.3
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    set_log_axis(axes.yaxis, low, high)


def plot_scaling(comparison):
    """Wall time, speed-up and efficiency against workers."""
    runs, reference = comparison.runs, comparison.reference
    if not reference.wall_s > 0:
        return None
    n_workers = np.array([run.n_worker for run in runs])
    is_strong = comparison.kind == STRONG
    # Straight on logarithmic axes; of one number of workers a point.
    fastest = list_fastest(n_workers)
    ideal_n = n_workers[fastest]
    ideal_speed = ideal_n / reference.n_worker
    ideal_wall = reference.wall_s / (ideal_speed if is_strong else np.ones(len(ideal_n)))
    walls, bounds = (np.array([getattr(run, name) for run in runs]) for name in ("wall_s", "bound_s"))
    than = "1 worker" if reference.n_worker == 1 else f"{reference.n_worker} workers"
    bound_speed = reference.wall_s / bounds * (1.0 if is_strong else n_workers / reference.n_worker)

    figure, panels = plt.subplots(1, 3, figsize=(10.4, 3.9))
    wall, speed, efficiency = panels
    for axes, ideal, bound, values in ((wall, ideal_wall, bounds, walls),
                                       (speed, ideal_speed, bound_speed, comparison.speed_up),
                                       (efficiency, ideal_speed / ideal_speed,
                                        bound_speed * reference.n_worker / n_workers, comparison.efficiency)):
        axes.plot(ideal_n, ideal, **IDEAL)
        axes.plot(ideal_n, bound[fastest], **BOUND)
        draw_points(axes, comparison, values)
        if axes is not efficiency:
            fit_log_axis(axes, np.concatenate([ideal, bound, values]))
        set_worker_axis(axes, n_workers)
        axes.grid(True)
    wall.set(title="Wall time", ylabel="Galaxies' phase [s]")
    speed.set(title="Speed-up" if is_strong else "Speed-up, scaled with the work", ylabel=f"Relative to {than}")
    efficiency.set(title="Efficiency", ylabel=f"Relative to {than}")
    efficiency.set_ylim(0, max(1.1, 1.05 * efficiency.dataLim.y1))
    add_legend_below(figure, list_scaling_handles(comparison))
    return figure


def list_scaling_handles(comparison):
    """What the three panels' lines mean."""
    handles = [plt.Line2D([], [], color=COLOURS[1], marker="o", label="measured"),
               plt.Line2D([], [], label="ideal", **IDEAL),
               plt.Line2D([], [], label="bound: max(total busy / workers, longest galaxy)", **BOUND)]
    if any(run.is_crowded for run in comparison.runs):
        handles.append(plt.Line2D([], [], color=COLOURS[1], marker="o", markerfacecolor="white", linestyle="",
                                  label="threads shared cpus: no measure of scaling"))
    return handles


# ------------------------------------------------------------------------------------------ small multiples, one a run


def make_panels(comparison, height):
    """(figure, first axes of each row, [(axes, run)]): at most MAX_PANELS, the first and the last ones."""
    runs = comparison.runs if len(comparison.runs) <= MAX_PANELS else \
        comparison.runs[:1] + comparison.runs[1 - MAX_PANELS:]
    n_column = {1: 1, 2: 2, 4: 2}.get(len(runs), 3)
    n_row = -(-len(runs) // n_column)
    figure, grid = plt.subplots(n_row, n_column, figsize=(min(3.6 * n_column + 1.6, 10.4), height * n_row + 0.4),
                                squeeze=False)
    for axes in grid.ravel()[len(runs):]:
        axes.set_axis_off()
    return figure, grid[:, 0], list(zip(grid.ravel(), runs))


def plot_utilisation(comparison):
    """Share of workers busy over time, a panel a run."""
    figure, first, panels = make_panels(comparison, 2.2)
    for axes, run in panels:
        workers = f"{run.label}: {run.n_worker} worker{'s' * (run.n_worker > 1)}"
        axes.set_title(workers)
        axes.set_xlabel("Time since the first batch [s]")
        axes.set_ylim(0, 1.08)
        if not run.wall_s > 0:
            continue
        edges_s, share = measure_utilisation(run)
        mean = share.mean()
        axes.stairs(share, edges_s, fill=True, color=FILL)
        axes.stairs(share, edges_s, color=COLOURS[3], linewidth=0.7, baseline=None)
        axes.axhline(mean, color=COLOURS[0], linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_title(f"{workers}, mean {mean:.1%}")
        axes.set_xlim(0, edges_s[-1])
    for axes in first:
        axes.set_ylabel("Share of workers busy")
    return figure


def plot_busy(comparison):
    """Busy time of each worker, a panel a run, with their mean and the length of the phase."""
    if not any(run.busy_s.max() > 0 for run in comparison.runs):
        return None
    figure, first, panels = make_panels(comparison, 2.2)
    length = {"color": COLOURS[1], "linewidth": 1.2, "label": "length of the galaxies' phase"}
    mean = {"color": COLOURS[0], "linewidth": 0.9, "linestyle": (0, (4, 2)), "label": "mean of the workers"}
    for axes, run in panels:
        if run.n_worker <= MAX_BUSY_BARS:
            axes.bar(run.workers, run.busy_s, width=0.75, color=FILL, edgecolor=COLOURS[3], linewidth=0.7)
        else:
            edges = np.append(run.workers, run.workers[-1] + 1) - 0.5
            axes.stairs(run.busy_s, edges, fill=True, color=FILL)
            axes.stairs(run.busy_s, edges, color=COLOURS[3], linewidth=0.5, baseline=None)
        axes.axhline(run.busy_s.mean(), **mean)
        axes.axhline(run.wall_s, **length)
        axes.set_title(f"{run.label}: max / mean = {run.imbalance:.3f}")
        axes.set_xlabel("Rank")
        axes.set_xlim(run.workers[0] - 0.7, run.workers[-1] + 0.7)
        axes.set_ylim(0, 1.08 * max(run.wall_s, run.busy_s.max(), 1e-9))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    for axes in first:
        axes.set_ylabel("Busy in galaxies [s]")
    add_legend_below(figure, [plt.Line2D([], [], **length), plt.Line2D([], [], **mean)])
    return figure


# ------------------------------------------------------------------------------------------------- predicted cost


def draw_costs(axes, expected, measured, i_run, label):
    """Points of a run, fewer and fainter the more there are."""
    n = len(measured)
    size, alpha = (4.5, 1.0) if n < 300 else (2.5, 0.4) if n < 3000 else (1.5, 0.2)
    style = line_style(i_run) | {"linestyle": "", "markersize": size}
    # A vector file of 10^5 markers is of no use to anybody.
    axes.plot(expected, measured, alpha=alpha, rasterized=n > 3000,
              markerfacecolor="none" if n < 300 else style["color"], **style)
    axes.plot([], [], label=label, markerfacecolor="none", **(style | {"markersize": 4.5}))


def plot_costs(comparison):
    """Measured time of batches against the dealer's prediction, and against the fit that was made afterwards."""
    fits = [(run.label, fit_costs(run.trace)) for run in comparison.runs]
    fits = [(label, fit) for label, fit in fits if len(fit.measured_s)]
    if not fits:
        return None
    fits = fits if len(fits) <= MAX_COST_RUNS else fits[:1] + fits[1 - MAX_COST_RUNS:]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 5.4))
    for i, (label, fit) in enumerate(fits):
        draw_costs(left, fit.predicted, fit.measured_s, i, f"{label}: {fit.scatter_dex:.3f} dex")
        ends = np.array([fit.predicted.min(), fit.predicted.max()])
        left.plot(ends, fit.seconds_per_cost * ends, color=line_style(i)["color"], linewidth=0.9, linestyle=(0, (5, 2)))
        if np.isfinite(fit.fitted_scatter_dex):
            good = fit.fitted_s > 0
            draw_costs(right, fit.fitted_s[good], fit.measured_s[good], i, f"{label}: {fit.fitted_scatter_dex:.3f} dex")
    left.set(title="As predicted when dealing (dashed: proportional)", xlabel="Predicted cost of the batch (no unit)",
             ylabel="Measured busy time of the batch [s]")
    right.set(title="Fitted afterwards (dashed: equal)", xlabel="a · galaxies + b · predicted cost [s]",
              ylabel="Measured busy time of the batch [s]")
    for axes in (left, right):
        if axes.has_data():
            finish_costs(axes, is_equal=axes is right)
        else:
            axes.text(0.5, 0.5, "The batches do not determine a and b", ha="center", transform=axes.transAxes)
    return figure


def finish_costs(axes, is_equal):
    """Logarithmic axes around the points, and the line of equality."""
    points = np.concatenate([line.get_xydata() for line in axes.get_lines() if len(line.get_xdata())])
    (x_0, y_0), (x_1, y_1) = points.min(axis=0) / 1.3, points.max(axis=0) * 1.3
    if is_equal:
        axes.plot([x_0, x_1], [x_0, x_1], color="0.3", linewidth=0.9, linestyle=(0, (5, 2)), zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(x_0, x_1), ylim=(y_0, y_1))
    set_log_axis(axes.xaxis, x_0, x_1)
    set_log_axis(axes.yaxis, y_0, y_1)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.13), ncols=2, title="Scatter of", alignment="left",
                title_fontsize=8)
    axes.grid(True)
