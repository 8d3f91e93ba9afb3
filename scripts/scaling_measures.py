# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of a scaling study: what a run did with its workers, and how several runs compare.

A module, not a program. A worker is a rank that computes, with all its threads. Times are seconds, or ns where the name
says so, counted from the start of the job.
"""

from dataclasses import dataclass

import numpy as np

from profiling import USAGE, ProfilingError, as_text

STRONG, WEAK = "strong", "weak"


@dataclass(frozen=True)
class Work:
    """What was computed, a row a galaxy or a group of galaxies computed together; or a row a batch where the trace does
    not have every span."""

    is_by_galaxy: bool
    rank: np.ndarray
    row: np.ndarray  # catalogue row, of a batch or a group that of its first galaxy
    n_galaxy: np.ndarray
    n_particle: np.ndarray  # of the galaxy or group; 0 for batches
    begin_ns: np.ndarray
    end_ns: np.ndarray
    busy_ns: np.ndarray


@dataclass(frozen=True)
class Run:
    """One run in numbers."""

    label: str
    trace: object
    work: Work
    n_rank: int
    n_worker: int
    n_thread: int  # a worker, the most
    n_galaxy: int
    phase_ns: tuple  # (first batch dealt, last batch done)
    run_s: float  # start of the job to the end of the last rank
    total_s: float  # sum over galaxies
    longest_s: float  # the longest galaxy, or batch
    busy_s: np.ndarray  # (n_worker,) in galaxies
    workers: np.ndarray  # (n_worker,) their ranks
    dealer_load: float  # share of the galaxies' phase that rank 0 spent dealing
    peak_rss_bytes: int  # of the largest rank
    summed_rss_bytes: int  # of all ranks, each at its own peak
    crowding: float  # busiest host: threads of workers / cpus allowed; NaN: unknown

    @property
    def wall_s(self):
        """Length of the galaxies' phase."""
        return (self.phase_ns[1] - self.phase_ns[0]) * 1e-9

    @property
    def bound_s(self):
        """No order of dealing can be faster: all workers busy all the time, or one with the longest galaxy."""
        return max(self.total_s / self.n_worker, self.longest_s)

    @property
    def is_longest_exact(self):
        """longest_s is that of one galaxy, not of a batch of several."""
        work = self.work
        return not len(work.row) or bool(work.n_galaxy[np.argmax(work.busy_ns)] == 1)

    @property
    def imbalance(self):
        """Largest over mean busy time of workers."""
        mean = self.busy_s.mean()
        return float(self.busy_s.max() / mean) if mean > 0 else np.nan

    @property
    def idle_share(self):
        """Of the time of all workers in the galaxies' phase."""
        return 1.0 - self.busy_s.sum() / (self.n_worker * self.wall_s) if self.wall_s > 0 else np.nan

    @property
    def is_crowded(self):
        """More threads at work than cpus to work on."""
        return self.crowding > 1.0


def has_every_span(trace):
    """Each span is in the file as it was, so galaxies can be told apart."""
    return trace.attributes["mode"] == "spans" and bool(np.all(trace.ranks["spans_merged"] <= 1))


def collect_galaxies(trace):
    """Work by galaxy or group: spans of one rank and (first) catalogue row together."""
    spans = trace.spans[(trace.spans["stage"] >= 0) & (trace.spans["stage"] < trace.n_galaxy_stage)
                        & (trace.spans["galaxy"] >= 0)]
    spans = spans[np.lexsort((spans["begin_ns"], spans["galaxy"], spans["rank"]))]
    is_new = np.ones(len(spans), bool)
    is_new[1:] = (np.diff(spans["rank"]) != 0) | (np.diff(spans["galaxy"]) != 0)
    first = np.flatnonzero(is_new)
    if not len(first):
        first = np.zeros(0, int)

    def gather(reduce, name):
        return reduce.reduceat(spans[name], first) if len(first) else spans[name][:0]

    return Work(True, spans["rank"][first], spans["galaxy"][first], gather(np.maximum, "n_galaxy").astype(int),
                gather(np.maximum, "n_particle"), gather(np.minimum, "begin_ns"), gather(np.maximum, "end_ns"),
                gather(np.add, "busy_ns"))


def collect_batches(trace):
    """Work by batch, as the dealer saw it."""
    table = trace.schedule
    return Work(False, table["rank"], table["first_row"], table["n_galaxy"].astype(int),
                np.zeros(len(table), "u8"), table["dealt_ns"], table["done_ns"],
                np.round(table["measured_s"] * 1e9).astype("i8"))


def find_phase(trace, work):
    """(first dealt, last done) [ns]; from the galaxies themselves where nothing was noted of dealing."""
    table = trace.schedule
    if len(table):
        return int(table["dealt_ns"].min()), int(table["done_ns"].max())
    if len(work.begin_ns):
        return int(work.begin_ns.min()), int(work.end_ns.max())
    return 0, 0


def count_cpus(cpuset):
    """Cpus of a list such as "0-7,64-71", as a set of numbers; None if it is no such list."""
    cpus = set()
    try:
        for part in cpuset.split(","):
            low, _, high = part.strip().partition("-")
            cpus.update(range(int(low), int(high or low) + 1))
    except ValueError:
        return None
    return cpus


def find_crowding(ranks):
    """Threads of workers a cpu, on the host where that is most; NaN if a cpuset is not known."""
    crowding = []
    for node in np.unique(ranks["node"]):
        here = ranks[ranks["node"] == node]
        cpus = [count_cpus(as_text(cpuset)) for cpuset in here["cpuset"]]
        if None in cpus:
            return np.nan
        n_thread = here["n_thread"][here["deals_only"] == 0].sum()
        crowding.append(n_thread / len(set().union(*cpus)))
    return float(max(crowding))


def measure_run(trace, label):
    """The Run of a trace. ProfilingError if nobody computed."""
    workers = np.flatnonzero(trace.ranks["deals_only"] == 0)
    if not len(workers):
        raise ProfilingError(f"trace '{trace.path}': no rank computes, all have deals_only = 1")
    work = collect_galaxies(trace) if has_every_span(trace) else collect_batches(trace)
    phase_ns = find_phase(trace, work)
    phase_s = (phase_ns[1] - phase_ns[0]) * 1e-9
    dealing_s = trace.seconds[trace.stages.index("Dealing"), 0] if "Dealing" in trace.stages else np.nan
    return Run(
        label=label, trace=trace, work=work, n_rank=len(trace.ranks), n_worker=len(workers),
        n_thread=int(trace.ranks["n_thread"][workers].max()),
        n_galaxy=int(trace.ranks["n_galaxy"].sum()),
        phase_ns=phase_ns, run_s=trace.wall_s,
        total_s=float(work.busy_ns.sum() * 1e-9),
        longest_s=float(work.busy_ns.max(initial=0) * 1e-9),
        busy_s=trace.ranks["busy_ns"][workers] * 1e-9, workers=workers,
        dealer_load=float(dealing_s / phase_s) if phase_s > 0 else np.nan,
        peak_rss_bytes=int(trace.ranks["peak_rss_bytes"].max()),
        summed_rss_bytes=int(trace.ranks["peak_rss_bytes"].sum()),
        crowding=find_crowding(trace.ranks),
    )


# ------------------------------------------------------------------------------------------------- comparing runs


@dataclass(frozen=True)
class Comparison:
    """Runs of a study, in order of workers."""

    kind: str  # STRONG or WEAK
    why: str  # one sentence: how that is known
    runs: list
    reference: Run
    speed_up: np.ndarray  # (n_run,)
    efficiency: np.ndarray
    warnings: list


def detect_kind(runs):
    """(kind, sentence) from the numbers of galaxies; ProfilingError if they fit neither."""
    n_galaxy = [run.n_galaxy for run in runs]
    per_worker = np.array([run.n_galaxy / run.n_worker for run in runs])
    if len(set(n_galaxy)) == 1:
        return STRONG, f"every run did the same number of galaxies ({n_galaxy[0]})"
    # A number of galaxies that does not divide evenly leaves each worker up to one more or less.
    if per_worker.min() > 0 and per_worker.max() - per_worker.min() <= max(1.0, 0.02 * per_worker.min()):
        return WEAK, f"galaxies grow with the workers ({per_worker.mean():.4g} a worker)"
    what = ", ".join(f"{run.label}: {run.n_galaxy} on {run.n_worker}" for run in runs)
    raise ProfilingError(f"neither strong scaling (the same galaxies) nor weak (the same galaxies a worker): {what} "
                         "workers; give --kind strong or --kind weak", USAGE)


def find_warnings(runs, kind):
    """What a reader of the figures must know."""
    found = []
    crowded = [run.label for run in runs if run.is_crowded]
    if crowded:
        found.append(f"More threads at work than cpus to work on in {', '.join(crowded)}: these points are no measure "
                     "of scaling. They are marked in the table (!) and hollow in the figures.")
    unknown = [run.label for run in runs if np.isnan(run.crowding)]
    if unknown:
        found.append(f"The cpus of {', '.join(unknown)} are not known: whether threads shared cpus cannot be told.")
    stopped = [run.label for run in runs if run.trace.attributes["stopped_early"]]
    if stopped:
        found.append(f"Stopped early, not comparable with the others: {', '.join(stopped)}.")
    if len({run.n_thread for run in runs}) > 1:
        found.append("The runs differ in threads a worker: "
                     + ", ".join(f"{run.label}: {run.n_thread}" for run in runs) + ".")
    if kind == STRONG and len({run.n_galaxy for run in runs}) > 1:
        found.append("Taken as strong scaling as asked for, but the runs did different numbers of galaxies: "
                     + ", ".join(f"{run.label}: {run.n_galaxy}" for run in runs) + ".")
    by_batch = [run.label for run in runs if not run.is_longest_exact]
    if by_batch:
        found.append(f"No span for every galaxy in {', '.join(by_batch)}: the longest batch stands for the longest "
                     "galaxy, so that the bound may be too high.")
    idle = [run.label for run in runs if run.wall_s <= 0]
    if idle:
        found.append(f"No galaxy was computed in {', '.join(idle)}.")
    return found


def compare_runs(runs, kind="auto"):
    """Comparison of runs, strong or weak; 'auto' looks at their galaxies."""
    runs = sorted(runs, key=lambda run: (run.n_worker, run.wall_s))
    why = "as asked for"
    if kind == "auto":
        kind, why = detect_kind(runs)
    # Of repeated runs the fastest is the least disturbed.
    reference = runs[0]
    wall_s = np.array([run.wall_s if run.wall_s > 0 else np.nan for run in runs])
    ratio = np.array([run.n_worker for run in runs]) / reference.n_worker
    faster = (reference.wall_s or np.nan) / wall_s
    efficiency = faster / ratio if kind == STRONG else faster
    return Comparison(kind, why, runs, reference, efficiency * ratio, efficiency, find_warnings(runs, kind))


# ------------------------------------------------------------------------------------------------- time in bins


def bin_time(i_row, begin_ns, end_ns, busy_ns, edges_ns, n_row):
    """Busy time in bins of equal width: (n_row, n_bin) ns.

    i_row: row of each interval, whose busy time is spread evenly from begin to end. What lies outside the bins is left
    out.
    """
    n_bin = len(edges_ns) - 1
    width = (edges_ns[-1] - edges_ns[0]) / n_bin
    length = (np.asarray(end_ns) - begin_ns).astype("f8")
    at_0 = (begin_ns - edges_ns[0]) / width
    at_1 = (end_ns - edges_ns[0]) / width
    keep = (length > 0) & (at_1 > 0) & (at_0 < n_bin)
    i_row, density = np.asarray(i_row)[keep], np.asarray(busy_ns)[keep] / length[keep] * width
    at_0, at_1 = np.clip(at_0[keep], 0, n_bin), np.clip(at_1[keep], 0, n_bin)
    first, last = np.minimum(at_0.astype(int), n_bin - 1), np.minimum(at_1.astype(int), n_bin - 1)

    time_ns = np.zeros((n_row, n_bin))
    rises = np.zeros((n_row, n_bin + 1))
    one = first == last
    np.add.at(time_ns, (i_row[one], first[one]), ((at_1 - at_0) * density)[one])
    many = ~one
    np.add.at(time_ns, (i_row[many], first[many]), ((first + 1 - at_0) * density)[many])
    np.add.at(time_ns, (i_row[many], last[many]), ((at_1 - last) * density)[many])
    np.add.at(rises, (i_row[many], first[many] + 1), density[many])
    np.add.at(rises, (i_row[many], last[many]), -density[many])
    # The running sum of rises and falls leaves rounding errors where it should be zero.
    return np.maximum(time_ns + np.cumsum(rises, axis=1)[:, :n_bin], 0.0)


def measure_utilisation(run, n_bin=200):
    """(edges [s since the first batch], share of workers busy a bin) over the galaxies' phase."""
    edges_ns = np.linspace(*run.phase_ns, n_bin + 1)
    work = run.work
    time_ns = bin_time(work.rank, work.begin_ns, work.end_ns, work.busy_ns, edges_ns, run.n_rank)
    width = (run.phase_ns[1] - run.phase_ns[0]) / n_bin
    share = np.minimum(time_ns[run.workers] / width, 1.0).mean(axis=0)
    return (edges_ns - edges_ns[0]) * 1e-9, share


def bin_rss(time_ns, rss_bytes, edges_ns):
    """Largest resident set of a rank a bin, a sample holding until the next; NaN before the first."""
    n_bin = len(edges_ns) - 1
    before = np.searchsorted(time_ns, edges_ns[:-1], side="right") - 1
    largest = np.where(before >= 0, np.asarray(rss_bytes, "f8")[before], np.nan) if len(time_ns) else \
        np.full(n_bin, np.nan)
    i_bin = np.searchsorted(edges_ns, time_ns, side="right") - 1
    inside = (i_bin >= 0) & (i_bin < n_bin)
    np.fmax.at(largest, i_bin[inside], np.asarray(rss_bytes, "f8")[inside])
    return largest


# ------------------------------------------------------------------------------------------------- predicted cost


@dataclass(frozen=True)
class CostFit:
    """How well the predicted cost of a batch tells its time."""

    predicted: np.ndarray  # no unit
    fitted_s: np.ndarray  # NaN where the model is undetermined
    measured_s: np.ndarray
    seconds_per_cost: float  # of the proportional line
    scatter_dex: float  # around it
    fitted_scatter_dex: float  # around the fit with a constant a galaxy


def find_scatter_dex(measured, expected):
    """Root mean square of log10(measured / expected); NaN if there is nothing to compare."""
    good = (measured > 0) & (expected > 0)
    return float(np.sqrt(np.mean(np.log10(measured[good] / expected[good]) ** 2))) if good.any() else np.nan


def fit_costs(trace):
    """CostFit of the batches of a run that took any time."""
    table = trace.schedule[(trace.schedule["measured_s"] > 0) & (trace.schedule["predicted_cost"] > 0)]
    predicted, measured = table["predicted_cost"], table["measured_s"]
    fitted = trace.fit_seconds_per_galaxy * table["n_galaxy"] + trace.fit_seconds_per_cost * predicted
    slope = float(10 ** np.mean(np.log10(measured / predicted))) if len(table) else np.nan
    return CostFit(predicted, fitted, measured, slope, find_scatter_dex(measured, slope * predicted),
                   find_scatter_dex(measured, fitted))
