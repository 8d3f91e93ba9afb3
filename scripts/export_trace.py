#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a trace file into trace-event JSON for https://ui.perfetto.dev or chrome://tracing.

Processes are ranks, threads are threads; a slice is a span (a stage of a galaxy, or what else a rank did), with the
galaxy's row in the catalogue, its stars and its peak memory; RSS is a counter of each process; batches are slices of
their own from dealt to done. Times are microseconds since the start of the job.

Exit codes: 0 done, 2 usage, 3 the trace cannot be read, 5 the output cannot be written.
"""

import argparse
import gzip
import json
import math
from pathlib import Path

from profiling import BYTES_PER_MB, as_text, read_trace, run_script

N_CHUNK = 10_000  # rows turned into Python objects at a time


def list_rows(table):
    """Rows of a structured array as dicts of Python numbers, a chunk at a time."""
    for first in range(0, len(table), N_CHUNK):
        for row in table[first:first + N_CHUNK].tolist():
            yield dict(zip(table.dtype.names, row))


def list_names(trace):
    """Metadata: names of processes and threads, in order of ranks."""
    threads = {(rank, 0) for rank in range(len(trace.ranks))}
    for i_rank in range(len(trace.ranks)):
        threads |= {(i_rank, int(thread)) for thread in set(trace.spans_of(i_rank)["thread"])}
    for row in trace.ranks:
        rank, role = int(row["rank"]), ", deals" if row["deals_only"] else ""
        name = f"rank {rank} ({as_text(row['host'])}{role})"
        yield {"ph": "M", "name": "process_name", "pid": rank, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "args": {"sort_index": rank}}
    for rank, thread in sorted(threads):
        yield {"ph": "M", "name": "thread_name", "pid": rank, "tid": thread, "args": {"name": f"thread {thread}"}}


def list_spans(trace):
    """A complete event ("X") a span."""
    for row in list_rows(trace.spans):
        args = {}
        if row["galaxy"] >= 0:
            args |= {"galaxy": row["galaxy"], "particles": row["n_particle"]}
        if row["n_galaxy"] > 1:
            args |= {"galaxies": row["n_galaxy"]}
        if row["n_merged"] > 1:
            args |= {"spans": row["n_merged"], "busy_us": row["busy_ns"] / 1e3}
        if row["peak_rss_bytes"]:
            args["peak_rss_mb"] = round(row["peak_rss_bytes"] / BYTES_PER_MB, 3)
        yield {"ph": "X", "name": trace.stages[row["stage"]] if row["stage"] >= 0 else "several stages",
               "cat": "galaxy" if row["galaxy"] >= 0 else "rank", "pid": row["rank"], "tid": row["thread"],
               "ts": row["begin_ns"] / 1e3, "dur": (row["end_ns"] - row["begin_ns"]) / 1e3, "args": args}


def list_samples(trace):
    """A counter event ("C") a sample of the resident set."""
    for row in list_rows(trace.rss):
        yield {"ph": "C", "name": "RSS [MB]", "pid": row["rank"], "ts": row["time_ns"] / 1e3,
               "args": {"RSS": round(row["rss_bytes"] / BYTES_PER_MB, 3)}}


def list_batches(trace):
    """An asynchronous slice ("b" to "e") a batch, from dealt to done."""
    for i, row in enumerate(list_rows(trace.schedule)):
        n = row["n_galaxy"]
        event = {"name": f"batch of {n} {'galaxy' if n == 1 else 'galaxies'}", "cat": "batch", "id": i,
                 "pid": row["rank"], "tid": 0}
        args = {name: row[name] for name in ("first_row", "n_batch", "predicted_cost", "measured_s")
                if math.isfinite(row[name])}
        yield event | {"ph": "b", "ts": row["dealt_ns"] / 1e3, "args": args}
        yield event | {"ph": "e", "ts": row["done_ns"] / 1e3}


def write_events(file, trace):
    """The whole document, event by event. Returns how many."""
    n_event = 0
    file.write('{"displayTimeUnit": "ms",\n"otherData": ' + json.dumps(trace.attributes) + ',\n"traceEvents": [')
    for events in (list_names, list_spans, list_samples, list_batches):
        for event in events(trace):
            file.write(("," if n_event else "") + "\n" + json.dumps(event))
            n_event += 1
    file.write("\n]}\n")
    return n_event


def main():
    """Read, convert, and give the file its name when it is complete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", metavar="TRACE", type=Path, help="trace file of a run (<output>.trace.hdf5)")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path,
                        help="JSON file, compressed if its name ends in .gz (default: TRACE with .json for .hdf5)")
    args = parser.parse_args()
    trace = read_trace(args.trace)
    output = args.output or args.trace.with_suffix(".json")
    partial = output.with_name(output.name + ".partial")
    is_compressed = output.suffix == ".gz"
    try:
        with gzip.open(partial, "wt", encoding="utf-8") if is_compressed else \
                open(partial, "w", encoding="utf-8") as file:
            n_event = write_events(file, trace)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"wrote {output}: {n_event:,} events; open it in https://ui.perfetto.dev")


if __name__ == "__main__":
    run_script(main)
