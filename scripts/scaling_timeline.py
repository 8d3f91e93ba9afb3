# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of one run over time: what every rank did (Gantt charts) and its memory. A module, not a program.

Charts of ranks are drawn bar by bar while bars are wider than a pixel. Beyond that each pixel shows how its rank spent
that time, the colours mixed in proportion.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from profiling import BYTES_PER_MB, COLOURS, MEMORY_AXIS, as_text, line_style
from scaling_measures import bin_rss, bin_time
from scaling_plots import set_log_axis

MAX_BARS = 6000  # drawn one by one
MAX_NAMED_ROWS = 24  # with their hosts
MAX_RSS_LINES = 12
N_PIXEL, N_SHARE_BIN = 1400, 140  # across a chart
N_RSS_BIN = 800
# Groups of stages from dark to light, so that they differ in grey too.
GROUPS = (
    ("Reading", "#111111", {"Reading"}),
    ("Optical depths", "#5a1248", {"LOS optical depths"}),
    ("Spectra", "#0f5f9a", {"Lnu Spectra", "Observer frame", "Fnu Spectra"}),
    ("Images", "#d2601a", {"Luminosity Images", "Flux Images"}),
    ("Photometry, lines", "#4db896", {"Luminosities", "Fluxes", "Emission Line Luminosities", "Emission Line Fluxes"}),
    ("Histories, weights", "#7cc6ee", {"SFZH", "SFH", "Grid weights"}),
    ("Writing", "#f2cf4a", {"Writing"}),
    ("Dealing", "#9d8ac7", {"Dealing"}),
    ("Start, opening, closing", "#dcdcdc", {"Start-up", "Opening inputs", "Opening output", "Closing"}),
    ("Waiting", "#f4f4f4", {"Waiting"}),
    ("Several (merged)", "#8c8c8c", set()),  # and what has no group
)
GALAXY_COLOURS = plt.cm.viridis_r  # large galaxies are dark


def group_of_stages(stages):
    """Index into GROUPS of each stage, and last of stage -1."""
    found = [next((i for i, (_, _, names) in enumerate(GROUPS) if stage in names), len(GROUPS) - 1)
             for stage in stages]
    return np.array(found + [len(GROUPS) - 1])


def make_chart(run, has_top=False):
    """Figure and axes of a chart with a row a rank, and axes above it that share its time if wanted."""
    height = float(np.clip(1.6 + 0.27 * run.n_rank, 2.6, 7.5))
    top = []
    if has_top:
        figure, (*top, axes) = plt.subplots(2, 1, sharex=True, figsize=(10.4, height + 1.5),
                                            gridspec_kw={"height_ratios": (1.3, height - 1)})
    else:
        figure, axes = plt.subplots(figsize=(10.4, height))
    axes.set(xlim=(0, max(run.run_s, 1e-9)), ylim=(run.n_rank - 0.5, -0.5))
    axes.set_xlabel("Time since the start of the job [s]")
    axes.tick_params(right=False, top=False, direction="out")
    if run.n_rank <= MAX_NAMED_ROWS:
        ranks = run.trace.ranks
        axes.set_yticks(range(run.n_rank), [f"{row['rank']}  {as_text(row['host'])[:16]}" for row in ranks], fontsize=8)
        axes.set_ylabel("Rank, host")
    else:
        axes.yaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.set_ylabel("Rank")
    return (figure, axes, *top)


def draw_bars(axes, rows, begin_s, end_s, colours, edge):
    """A bar an interval."""
    corners = np.empty((len(rows), 4, 2))
    corners[:, :, 0] = np.column_stack([begin_s, begin_s, end_s, end_s])
    corners[:, :, 1] = np.asarray(rows)[:, None] + np.array([-0.4, 0.4, 0.4, -0.4])
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors=edge,
                                       linewidths=0 if edge == "none" else 0.4, zorder=2))


def has_wide_bars(run, n_bar):
    """Most galaxies are some pixels wide, and the bars are not too many to draw."""
    work = run.work
    pixel_ns = run.run_s * 1e9 / N_PIXEL
    return n_bar <= MAX_BARS and (not len(work.row) or np.median(work.end_ns - work.begin_ns) > 4 * pixel_ns)


def draw_pixels(axes, run, image):
    """Colours (n_rank, n_pixel, 3) as an image under the axes."""
    axes.imshow(image, aspect="auto", interpolation="nearest", zorder=1,
                extent=(0, run.run_s, len(image) - 0.5, -0.5))
    if len(image) <= 2 * MAX_NAMED_ROWS:
        axes.hlines(np.arange(len(image) + 1) - 0.5, 0, run.run_s, color="white", linewidth=1.5, zorder=2)


def mix_colours(time_ns, colours, width_ns):
    """Time (n_kind, n_rank, n_pixel) of kinds and their colours (n_kind, 3) to (n_rank, n_pixel, 3) on white."""
    share = time_ns / width_ns
    share /= np.maximum(share.sum(axis=0), 1.0)
    return np.einsum("kij,kc->ijc", share, colours) + (1.0 - share.sum(axis=0))[..., None]


def plot_stages(run):
    """Gantt chart by groups of stages; None without spans."""
    spans = run.trace.spans
    if not len(spans):
        return None
    group = group_of_stages(run.trace.stages)[spans["stage"]]
    colours = np.array([to_rgb(colour) for _, colour, _ in GROUPS])
    if has_wide_bars(run, len(spans)):
        figure, axes = make_chart(run)
        draw_bars(axes, spans["rank"], spans["begin_ns"] * 1e-9, spans["end_ns"] * 1e-9, colours[group], "none")
        top = axes
    else:
        figure, axes, top = make_chart(run, has_top=True)
        edges_ns = np.linspace(0, run.run_s * 1e9, N_PIXEL + 1)
        time_ns = np.stack([bin_time(*(spans[name][group == i] for name in ("rank", "begin_ns", "end_ns", "busy_ns")),
                                     edges_ns, run.n_rank) for i in range(len(GROUPS))])
        draw_pixels(axes, run, mix_colours(time_ns, colours, edges_ns[1]))
        draw_shares(top, run, time_ns, edges_ns)
    add_chart_legend(figure, [Patch(facecolor=GROUPS[i][1], edgecolor="0.5", linewidth=0.4, label=GROUPS[i][0])
                              for i in np.unique(group)])
    top.set_title(f"{run.label}: stages, {run.n_worker} worker{'s' * (run.n_worker > 1)}, {run.n_galaxy} galaxies")
    return figure


def draw_shares(axes, run, time_ns, edges_ns):
    """What the workers' time goes to, stacked: readable where single bars no longer are."""
    width = N_PIXEL // N_SHARE_BIN
    shares = time_ns[:, run.workers].sum(axis=1).reshape(len(GROUPS), N_SHARE_BIN, width).sum(axis=2)
    shares /= edges_ns[1] * width * run.n_worker
    tops = np.cumsum(shares, axis=0)
    for i, (_, colour, _) in enumerate(GROUPS):
        axes.stairs(tops[i], edges_ns[::width] * 1e-9, baseline=tops[i - 1] if i else 0.0, fill=True, color=colour)
    axes.set(ylim=(0, 1), ylabel="Share of\nworkers")
    axes.tick_params(labelbottom=False, direction="out", right=False, top=False)


def add_chart_legend(figure, handles):
    """A legend of one or two lines below the chart."""
    n_column = 5 if len(handles) > 6 else len(handles)
    n_line = -(-len(handles) // n_column)
    share = (0.1 + 0.18 * n_line) / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))
    figure.legend(handles=handles, loc="lower center", ncol=n_column, handlelength=1.4)


def choose_sizes(run):
    """(value of each row of work, what it is): stars of galaxies; of batches, their predicted cost."""
    if run.work.is_by_galaxy:
        together = ", or of those computed together" if run.work.n_galaxy.max() > 1 else ""
        return np.maximum(run.work.n_particle.astype("f8"), 1.0), "Stars of the galaxy" + together
    return np.maximum(run.trace.schedule["predicted_cost"], 1e-300), "Predicted cost of the batch (no unit)"


def plot_galaxies(run):
    """Gantt chart by galaxies (or batches), coloured by size; None if nothing was done."""
    work = run.work
    if not len(work.row):
        return None
    sizes, what = choose_sizes(run)
    low, high = sizes.min(), sizes.max()
    norm = LogNorm(low / 1.5, high * 1.5) if high < 2 * low else LogNorm(low, high)
    figure, axes = make_chart(run)
    if has_wide_bars(run, len(work.row)):
        draw_bars(axes, work.rank, work.begin_ns * 1e-9, work.end_ns * 1e-9, GALAXY_COLOURS(norm(sizes)), "white")
        name_bars(axes, run, norm(sizes))
    else:
        edges_ns = np.linspace(0, run.run_s * 1e9, N_PIXEL + 1)
        times = (work.begin_ns, work.end_ns)
        busy_ns = bin_time(work.rank, *times, work.busy_ns, edges_ns, run.n_rank)
        weighted = bin_time(work.rank, *times, work.busy_ns * norm(sizes).filled(0), edges_ns, run.n_rank)
        mean = np.divide(weighted, busy_ns, out=np.zeros_like(busy_ns), where=busy_ns > 0)
        share = np.clip(busy_ns / edges_ns[1], 0, 1)[..., None]
        draw_pixels(axes, run, GALAXY_COLOURS(mean)[..., :3] * share + 1.0 - share)
    bar = figure.colorbar(ScalarMappable(norm, GALAXY_COLOURS), ax=axes, pad=0.01, fraction=0.05, aspect=25)
    bar.set_label(what)
    set_log_axis(bar.ax.yaxis, norm.vmin, norm.vmax)
    for at_ns in run.phase_ns:
        axes.axvline(at_ns * 1e-9, color="0.35", linewidth=0.8, linestyle=(0, (2, 2)), zorder=3)
    kind = "galaxies" if work.is_by_galaxy else "batches"
    axes.set_title(f"{run.label}: {kind} of {run.n_worker} worker{'s' * (run.n_worker > 1)} "
                   "(dotted: first batch dealt, last done)")
    return figure


def name_bars(axes, run, darkness):
    """Catalogue rows in the bars that have room for them."""
    work = run.work
    character_s = run.run_s / 130.0
    if run.n_rank > MAX_NAMED_ROWS:
        return
    for rank, row, begin_ns, end_ns, dark in zip(work.rank, work.row, work.begin_ns, work.end_ns, darkness):
        if (end_ns - begin_ns) * 1e-9 > (len(str(row)) + 1) * character_s:
            axes.text((begin_ns + end_ns) * 0.5e-9, rank, str(row), ha="center", va="center", fontsize=7,
                      color="white" if dark > 0.45 else "black", zorder=4)


# -------------------------------------------------------------------------------------------------------- memory


def plot_rss(run):
    """Resident memory of ranks over time, of many their median, band and extremes; None without samples."""
    series = [(rank, run.trace.rss_of(rank)) for rank in range(run.n_rank)]
    series = [(rank, rows) for rank, rows in series if len(rows)]
    if not series:
        return None
    edges_ns = np.linspace(0, max(run.run_s * 1e9, max(rows["time_ns"][-1] for _, rows in series) + 1), N_RSS_BIN + 1)
    figure, axes = plt.subplots()
    middle_s = (edges_ns[:-1] + edges_ns[1:]) * 0.5e-9
    rss_mb = np.array([bin_rss(rows["time_ns"], rows["rss_bytes"], edges_ns) for _, rows in series]) / BYTES_PER_MB
    if len(series) <= MAX_RSS_LINES:
        for i, (rank, _) in enumerate(series):
            role = " (deals)" if run.trace.ranks[rank]["deals_only"] else ""
            axes.plot(middle_s, rss_mb[i], label=f"rank {rank}{role}",
                      **(line_style(i) | {"markevery": (0.1 + 0.02 * i, 0.24), "linewidth": 1.1}))
    else:
        draw_band(axes, middle_s, rss_mb, [rank for rank, _ in series], run)
    axes.set(xlim=(0, edges_ns[-1] * 1e-9), xlabel="Time since the start of the job [s]", ylabel=MEMORY_AXIS,
             title=f"{run.label}: memory of {len(series)} rank{'s' * (len(series) > 1)}")
    axes.set_ylim(0, 1.05 * np.nanmax(rss_mb))
    axes.grid(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def draw_band(axes, middle_s, rss_mb, ranks, run):
    """Median and bands of many workers, and by name the one with the largest peak, the smallest, and the dealer."""
    is_worker = run.trace.ranks["deals_only"][ranks] == 0
    workers = rss_mb[is_worker]
    present = ~np.all(np.isnan(workers), axis=0)
    low, first, median, last, high = np.nanpercentile(workers[:, present], (0, 16, 50, 84, 100), axis=0)
    axes.fill_between(middle_s[present], low, high, color="0.9", linewidth=0, label="all workers")
    axes.fill_between(middle_s[present], first, last, color="0.75", linewidth=0, label="middle 68 % of them")
    axes.plot(middle_s[present], median, color=COLOURS[0], label="median of them")
    peaks = np.nanmax(rss_mb, axis=1)
    i_workers, i_dealers = np.flatnonzero(is_worker), np.flatnonzero(~is_worker)
    named = [(i_workers[np.argmax(peaks[is_worker])], "largest"), (i_workers[np.argmin(peaks[is_worker])], "smallest")]
    for i, (at, what) in enumerate(named + [(at, "deals") for at in i_dealers]):
        style = line_style(i + 1) | {"marker": "", "linewidth": 1.1}
        axes.plot(middle_s, rss_mb[at], label=f"rank {ranks[at]} ({what}: {peaks[at]:.0f} MB)", **style)
