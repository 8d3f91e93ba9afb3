#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the profiling scripts share: trace files, CSVs, command lines and their errors, and the look of plots.

A module, not a program. Times are seconds or, with _ns, nanoseconds since the start of the job; memory is in bytes or,
with _mb, in MB of 2^20 bytes, the unit of the peer's plots.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
BYTES_PER_MB = 1 << 20
USAGE, BAD_INPUT, BAD_OUTPUT = 2, 3, 5  # exit codes, those of polyphony

TIMING_COLUMNS = ("operation", "seconds", "count", "source")
MEMORY_COLUMNS = ("timestamp_ms", "rss_mb")
MEMORY_AXIS = "Resident memory [MB (2$^{20}$ bytes)]"

RANK_TYPE = np.dtype([
    ("rank", "i4"), ("node", "i4"), ("local_rank", "i4"), ("n_thread", "i4"), ("deals_only", "i4"),
    ("is_pinned", "i4"), ("host", "S64"), ("cpuset", "S256"), ("cpus", "S256"), ("placement", "S320"),
    ("begin_ns", "i8"), ("end_ns", "i8"), ("clock_offset_ns", "i8"), ("clock_error_ns", "i8"), ("busy_ns", "i8"),
    ("n_galaxy", "u8"), ("peak_rss_bytes", "u8"), ("first_span", "u8"), ("n_span", "u8"), ("first_rss", "u8"),
    ("n_rss", "u8"), ("spans_merged", "u4"), ("reads_merged", "u4"), ("n_read", "u8"), ("catches_peaks", "i4"),
])
SPAN_TYPE = np.dtype([
    ("rank", "i4"), ("thread", "i4"), ("stage", "i4"), ("n_merged", "u4"), ("galaxy", "i8"), ("n_galaxy", "u4"),
    ("n_particle", "u8"), ("begin_ns", "i8"), ("end_ns", "i8"), ("busy_ns", "i8"), ("peak_rss_bytes", "u8"),
])
RSS_TYPE = np.dtype([("rank", "i4"), ("time_ns", "i8"), ("rss_bytes", "u8")])
SCHEDULE_TYPE = np.dtype([
    ("rank", "i4"), ("n_galaxy", "u4"), ("n_batch", "u4"), ("first_row", "i8"), ("predicted_cost", "f8"),
    ("measured_s", "f8"), ("dealt_ns", "i8"), ("done_ns", "i8"),
])
TEXT_ATTRIBUTES = ("program_version", "started_utc", "mode", "results", "catalogue", "schedule_mode")
NUMBER_ATTRIBUTES = ("sample_hz", "n_rank", "wall_ns", "stopped_early", "n_galaxy_stage")


class ProfilingError(Exception):
    """Ends a script with a message and an exit code."""

    def __init__(self, message, code=BAD_INPUT):
        super().__init__(message)
        self.code = code


def run_script(main):
    """Exit with what main() returns; its errors become one line on stderr."""
    name = Path(sys.argv[0]).name
    try:
        sys.exit(main())
    except ProfilingError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.code)
    except OSError as error:
        print(f"{name}: cannot write: {error}", file=sys.stderr)
        sys.exit(BAD_OUTPUT)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells count


# ---------------------------------------------------------------------------------------------------- trace files


def as_text(value):
    """A string of HDF5, of fixed or variable length, as str."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@dataclass(frozen=True)
class Trace:
    """A trace file in memory. Tables are structured arrays with the types above, stages and text are str."""

    path: Path
    attributes: dict  # root attributes, of TEXT_ATTRIBUTES as str and of NUMBER_ATTRIBUTES as int
    stages: list  # names; those before n_galaxy_stage belong to galaxies
    ranks: np.ndarray
    spans: np.ndarray
    rss: np.ndarray
    seconds: np.ndarray  # (n_stage, n_rank), exclusive
    count: np.ndarray  # (n_stage, n_rank)
    peak_rss: np.ndarray  # (n_stage, n_rank) bytes, 0: unknown
    schedule: np.ndarray
    fit_seconds_per_galaxy: float
    fit_seconds_per_cost: float

    @property
    def n_galaxy_stage(self):
        """Number of leading stages that belong to galaxies."""
        return self.attributes["n_galaxy_stage"]

    @property
    def wall_s(self):
        """Length of the run."""
        return self.attributes["wall_ns"] * 1e-9

    def spans_of(self, i_rank):
        """Rows of /Spans of a rank."""
        row = self.ranks[i_rank]
        return self.spans[int(row["first_span"]):int(row["first_span"] + row["n_span"])]

    def rss_of(self, i_rank):
        """Rows of /RSS of a rank."""
        row = self.ranks[i_rank]
        return self.rss[int(row["first_rss"]):int(row["first_rss"] + row["n_rss"])]


def get_item(file, path):
    """A dataset of the file, or a clear error."""
    if not isinstance(file.get(path), h5py.Dataset):
        raise ProfilingError(f"trace '{file.filename}': there is no dataset '{path}'")
    return file[path]


def read_attribute(file, item, name):
    """A scalar attribute, or a clear error."""
    if name not in item.attrs:
        raise ProfilingError(f"trace '{file.filename}': '{item.name}' has no attribute '{name}'")
    return np.asarray(item.attrs[name]).reshape(-1)[0]


def read_number_attribute(file, item, name, kind):
    """A scalar attribute as int or float, or a clear error."""
    value = read_attribute(file, item, name)
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise ProfilingError(f"trace '{file.filename}': attribute '{name}' of '{item.name}' is no number: "
                             f"{value!r}") from None


def read_table(file, path, wanted):
    """A compound dataset as an array of the wanted type; fields beyond those are left out."""
    data = get_item(file, path)
    names = data.dtype.names
    if names is None or data.ndim != 1:
        raise ProfilingError(f"trace '{file.filename}': '{path}' is not a table")
    table = np.zeros(data.shape[0], wanted)
    rows = data[()]
    for name in wanted.names:
        numeric = wanted[name].kind != "S"
        if name not in names or rows.dtype[name].kind not in ("iufb" if numeric else "S"):
            raise ProfilingError(f"trace '{file.filename}': '{path}' has no column '{name}' of "
                                 f"{'numbers' if numeric else 'fixed-length text'}")
        table[name] = rows[name]
    return table


def read_operations(file, name, shape):
    """One of the tables of stage x rank."""
    data = get_item(file, f"Operations/{name}")
    if data.shape != shape:
        raise ProfilingError(f"trace '{file.filename}': 'Operations/{name}' has shape {data.shape}, "
                             f"not {shape} (stages, ranks)")
    return data[()]


def check_format(file):
    """The file is a trace of the version we know."""
    found = as_text(np.asarray(file.attrs.get("format", "")).reshape(-1)[0])
    if found != "polyphony-trace":
        what = f"'{found}'" if found else "no attribute 'format'"
        raise ProfilingError(f"'{file.filename}' is not a trace file ({what}); 'polyphony run' writes one, "
                             "by default <output>.trace.hdf5")
    version = read_number_attribute(file, file, "version", int)
    if version != 1:
        raise ProfilingError(f"trace '{file.filename}' has version {version}, this script knows 1")


def check_ranges(trace, name, table, first, n_row):
    """The ranks' rows of a table follow each other and are all of it."""
    ends = np.cumsum(trace.ranks[n_row].astype("f8"))  # no sum of wrong numbers overflows
    begins = ends - trace.ranks[n_row]
    agrees = ends[-1] == len(table) and np.array_equal(begins, trace.ranks[first].astype("f8"))
    if not agrees or np.any(table["rank"] != np.repeat(trace.ranks["rank"], trace.ranks[n_row].astype("i8"))):
        raise ProfilingError(f"trace '{trace.path}': the rows of '{name}' are not those that 'Ranks' says")


def check_rows(trace):
    """Ranks in order, their rows where they should be, stages and ranks known."""
    n_stage, n_rank = len(trace.stages), len(trace.ranks)
    faults = {
        f"'Ranks' has {n_rank} rows, n_rank is {trace.attributes['n_rank']}":
            n_rank != trace.attributes["n_rank"] or not n_rank,
        "'Ranks' is not in order of rank": np.any(trace.ranks["rank"] != np.arange(n_rank)),
        "n_galaxy_stage is beyond 'Stages'": not 0 <= trace.n_galaxy_stage <= n_stage,
        "'Spans' names a stage that is not in 'Stages'":
            np.any((trace.spans["stage"] < -1) | (trace.spans["stage"] >= n_stage)),
        "'Schedule' names a rank that is not in 'Ranks'":
            np.any((trace.schedule["rank"] < 0) | (trace.schedule["rank"] >= n_rank)),
    }
    for text, is_wrong in faults.items():
        if is_wrong:
            raise ProfilingError(f"trace '{trace.path}': {text}")
    check_ranges(trace, "Spans", trace.spans, "first_span", "n_span")
    check_ranges(trace, "RSS", trace.rss, "first_rss", "n_rss")


def read_open_trace(file, path):
    """The Trace of an open file."""
    check_format(file)
    attributes = {name: as_text(read_attribute(file, file, name)) for name in TEXT_ATTRIBUTES}
    attributes |= {name: read_number_attribute(file, file, name, int) for name in NUMBER_ATTRIBUTES}
    stages = [as_text(name) for name in np.atleast_1d(get_item(file, "Stages")[()])]
    ranks = read_table(file, "Ranks", RANK_TYPE)
    shape = (len(stages), len(ranks))
    trace = Trace(
        path=path, attributes=attributes, stages=stages, ranks=ranks,
        spans=read_table(file, "Spans", SPAN_TYPE),
        rss=read_table(file, "RSS", RSS_TYPE),
        seconds=read_operations(file, "Seconds", shape),
        count=read_operations(file, "Count", shape),
        peak_rss=read_operations(file, "PeakRSS", shape),
        schedule=read_table(file, "Schedule", SCHEDULE_TYPE),
        fit_seconds_per_galaxy=read_number_attribute(file, file["Schedule"], "fit_seconds_per_galaxy", float),
        fit_seconds_per_cost=read_number_attribute(file, file["Schedule"], "fit_seconds_per_cost", float),
    )
    check_rows(trace)
    return trace


def read_trace(path):
    """Trace of a file, checked; ProfilingError says what is wrong with it."""
    path = Path(path)
    if not path.is_file():
        raise ProfilingError(f"trace '{path}': there is no such file")
    try:
        with h5py.File(path, "r") as file:
            return read_open_trace(file, path)
    except (OSError, RuntimeError, KeyError) as error:
        raise ProfilingError(f"trace '{path}' cannot be read: {error}") from None


# ---------------------------------------------------------------------------------------------------------- CSVs


@dataclass(frozen=True)
class Operation:
    """A row of timing.csv."""

    name: str
    seconds: float  # summed over ranks and threads
    count: int


def sum_operations(trace):
    """Operations that happened, summed over ranks, in the order of stages."""
    seconds, count = trace.seconds.sum(axis=1), trace.count.sum(axis=1)
    return [Operation(name, float(seconds[i]), int(count[i])) for i, name in enumerate(trace.stages)
            if count[i] or seconds[i]]


def sum_rss(series):
    """Resident memory of all ranks at every time any of them was sampled.

    series: [(time_ns, rss_bytes)] a rank, in time order. A rank counts with its latest sample, and with nothing before
    its first.
    Returns: time_ns, rss_bytes.
    """
    time_ns = np.unique(np.concatenate([times for times, _ in series] + [np.empty(0, "i8")]))
    total = np.zeros(len(time_ns))
    for times, rss in series:
        steps = np.concatenate([[0.0], np.asarray(rss, "f8")])
        total += steps[np.searchsorted(times, time_ns, side="right")]
    return time_ns, total


def write_timing(path, operations):
    """Write timing.csv in the peer's columns."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TIMING_COLUMNS)
        writer.writerows((row.name, f"{row.seconds:.9f}", row.count, "C") for row in operations)


def write_memory(path, time_ns, rss_bytes):
    """Write memory.csv in the peer's columns."""
    rows = np.column_stack([np.asarray(time_ns) * 1e-6, np.asarray(rss_bytes) / BYTES_PER_MB])
    np.savetxt(path, rows, fmt="%.6f", delimiter=",", header=",".join(MEMORY_COLUMNS), comments="")


def read_rows(path, columns):
    """Rows of a CSV with exactly these columns, as (line number, fields)."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, None)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProfilingError(f"'{path}' cannot be read: {reason}") from None
    if header is None:
        raise ProfilingError(f"'{path}' is empty; expected the columns {','.join(columns)}")
    if tuple(name.strip() for name in header) != columns:
        raise ProfilingError(f"'{path}': its first line is '{','.join(header)}', expected {','.join(columns)}")
    if not rows:
        raise ProfilingError(f"'{path}' has a heading and no rows")
    for line, row in rows:
        if len(row) != len(columns):
            raise ProfilingError(f"'{path}', line {line}: {len(row)} fields, expected {','.join(columns)}")
    return rows


def parse_number(path, line, name, text):
    """A finite number >= 0 of a CSV."""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 <= value < np.inf:
        raise ProfilingError(f"'{path}', line {line}: {name} is '{text}', expected a number >= 0")
    return value


def read_timing(path):
    """Operations of a timing.csv."""
    return [Operation(name, parse_number(path, line, "seconds", seconds), int(parse_number(path, line, "count", count)))
            for line, (name, seconds, count, _) in read_rows(path, TIMING_COLUMNS)]


def read_memory(path):
    """timestamp_ms and rss_mb of a memory.csv, as arrays."""
    rows = np.array([[parse_number(path, line, name, text) for name, text in zip(MEMORY_COLUMNS, row)]
                     for line, row in read_rows(path, MEMORY_COLUMNS)])
    if np.any(np.diff(rows[:, 0]) < 0):
        line = 3 + int(np.argmax(np.diff(rows[:, 0]) < 0))
        raise ProfilingError(f"'{path}', line {line}: timestamp_ms goes back in time")
    return rows[:, 0], rows[:, 1]


# -------------------------------------------------------------------------------------------------- analysis scripts


def add_analysis_arguments(parser, what, labels):
    """--inputs, --labels, --output-dir and --format of the scripts that read CSVs."""
    parser.add_argument("--inputs", nargs="+", required=True, metavar="FILE", help=f"{what}, one a run")
    parser.add_argument("--labels", nargs="+", required=True, metavar="LABEL", help=f"{labels}, as many as inputs")
    parser.add_argument("--output-dir", type=Path, default=Path("."), metavar="DIR",
                        help="where files are written; made if missing (default: the current directory)")
    add_format_argument(parser)


def add_format_argument(parser):
    """--format of everything that draws."""
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png",
                        help="of plots; pdf and svg are vector graphics (default: %(default)s)")


def check_labels(args):
    """As many labels as inputs; the directory of outputs is there."""
    if len(args.labels) != len(args.inputs):
        raise ProfilingError(f"{len(args.inputs)} inputs and {len(args.labels)} labels: give one label an input", USAGE)
    args.output_dir.mkdir(parents=True, exist_ok=True)


def parse_particle_counts(labels):
    """Labels as numbers of particles, > 0 and different."""
    counts = []
    for label in labels:
        try:
            counts.append(int(label.replace(",", "").replace("_", "")))
        except ValueError:
            counts.append(0)
        if counts[-1] <= 0:
            raise ProfilingError(f"label '{label}': expected a number of particles, > 0", USAGE)
    if len(set(counts)) < len(counts):
        raise ProfilingError(f"labels {' '.join(labels)}: a number of particles is given twice", USAGE)
    return counts


def format_markdown(header, rows, left=1):
    """A Markdown table, its first columns flush left."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n"
                   for line in [header, rule, *rows])


def save_tables(directory, markdown_name, csv_name, header, rows):
    """Write a table as Markdown (left column flush left) and as CSV, and say so."""
    with open(directory / csv_name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    (directory / markdown_name).write_text(format_markdown(header, rows), encoding="utf-8")
    print(f"wrote {directory / markdown_name}\nwrote {directory / csv_name}")


# ------------------------------------------------------------------------------------------------------ house style

# Okabe & Ito's colours, safe for the colour-blind; neighbours differ in lightness, line and marker too, for grey.
COLOURS = ("#000000", "#d55e00", "#56b4e9", "#0b5a8a", "#e69f00", "#6a3d7c", "#3cb38f", "#8c8c8c")
DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")


def use_house_style():
    """Set matplotlib's defaults; call it once, before drawing."""
    plt.rcParams.update({
        "font.size": 9, "axes.linewidth": 0.6, "axes.axisbelow": True, "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "xtick.direction": "in", "ytick.direction": "in", "xtick.top": True, "ytick.right": True,
        "legend.frameon": False, "legend.fontsize": 8, "lines.linewidth": 1.4, "lines.markersize": 4.5,
        "grid.color": "0.9", "grid.linewidth": 0.5, "hatch.linewidth": 0.4,
        "figure.figsize": (7.2, 4.6), "figure.constrained_layout.use": True,
        "savefig.dpi": 160, "mathtext.default": "regular", "svg.fonttype": "none", "pdf.fonttype": 42,
    })


def line_style(i):
    """Colour, line and marker of the i-th of a set of curves, as keywords of plot()."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[(i + i // len(COLOURS)) % len(DASHES)],
            "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]}


def sequence_colours(n):
    """n colours from dark to light, for curves with an order."""
    return [plt.cm.viridis(x) for x in np.linspace(0.0, 0.86, max(n, 2))][:n]


def set_log_limits(axes, values, free_top=0.0, least=3.0):
    """Limits of a log y axis around the values, at least this factor apart; the top part of the axes stays free."""
    low, high = np.log10(np.min(values)), np.log10(np.max(values))
    margin = max(0.08 * (high - low), 0.5 * (np.log10(least) - (high - low)))
    low, high = low - margin, high + margin
    axes.set_ylim(10**low, 10 ** (low + (high - low) / (1.0 - free_top)))
    label_log_axis(axes.yaxis)


def set_count_axis(axes, particles):
    """Limits and ticks of a log x axis of numbers of particles: a tick a number."""
    low, high = np.log10(min(particles)), np.log10(max(particles))
    margin = max(0.08 * (high - low), 0.15)
    axes.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    axes.set_xlabel("Star particles per galaxy")
    axes.set_xticks(particles, [f"{n:,}" for n in particles], rotation=0 if len(particles) <= 8 else 35)
    axes.set_xticks([], minor=True)


def label_log_axis(axis):
    """Plain numbers on a log axis; within less than a decade and a half also on 2, 3 and 5."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if decades < 1.5 else (1,), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def draw_linear_growth(axes, x, y):
    """The line of O(n) through a point, to the edges of log-log axes."""
    limits = axes.get_xlim()
    ends = np.array([x, limits[1]])
    axes.plot(ends, y * ends / x, color="0.45", linestyle=(0, (2, 2)), linewidth=1.1, label="O(n) from the first point",
              zorder=1, scaley=False)
    axes.set_xlim(limits)


def save_figure(figure, path):
    """Write and close a figure, and say so."""
    figure.savefig(path)
    plt.close(figure)
    print(f"wrote {path}")


def spread(wanted, gap, low, high):
    """Places for labels, as near as possible to the wanted ones (any order), at least gap apart, in [low, high].

    Least squares: places minus multiples of the gap must not decrease, so neighbours that would are averaged. If there
    is no room for the gap, it shrinks.
    """
    wanted = np.asarray(wanted, "f8")
    order = np.argsort(wanted, kind="stable")
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    blocks = []  # (mean, number) of labels that touch
    for i, place in enumerate(wanted[order]):
        blocks.append((place - i * gap, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, n_a), (b, n_b) = blocks.pop(-2), blocks.pop()
            blocks.append(((a * n_a + b * n_b) / (n_a + n_b), n_a + n_b))
    means = np.repeat([mean for mean, _ in blocks], [n for _, n in blocks])
    means = np.clip(means, low, high - gap * max(len(wanted) - 1, 0))
    places = np.empty(len(wanted))
    places[order] = means + gap * np.arange(len(wanted))
    return places
