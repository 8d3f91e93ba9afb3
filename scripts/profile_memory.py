#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profile the memory of a job: resident memory of every rank over time, sampled inside the program.

Makes a catalogue, runs jobs/mission.yaml on it, and writes into the output directory (each with the basename before
it, if one is given):

    memory.csv            timestamp_ms,rss_mb: measured times since the start of the job [ms], resident memory summed
                          over all ranks [MB = 2^20 bytes]; at each time every rank counts with its latest sample
    memory_rank<R>.csv    the same of one rank, if there are several
    output.hdf5           results
    output.trace.hdf5     trace of every rank; the samples, and the peaks that the kernel saw
    catalogue.hdf5, job.yaml, run.log    the input, the job, what the program said

Exit codes: 0, 2 usage, 3 a file cannot be read, 5 or written, otherwise that of polyphony.
"""

import argparse
import sys

import profiling
from profiling_run import (add_run_arguments, check_run_arguments, describe_run, name_file, note_crowding,
                           run_profiled)


def parse_arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser)
    parser.add_argument("--sample-freq", type=int, default=1000, metavar="HZ",
                        help="samples of resident memory a second, 1 to 5000; at 5000 a run that uses all "
                             "cores takes some 4 %% longer, docs/formats.md (default: %(default)s)")
    args = parser.parse_args()
    check_run_arguments(args)
    if not 1 <= args.sample_freq <= 5000:
        raise profiling.ProfilingError(f"--sample-freq is {args.sample_freq}, expected 1 to 5000 Hz", profiling.USAGE)
    return args


def write_csvs(args, trace):
    """memory.csv and, for several ranks, one file each. Returns sampled time_ns and rss_bytes of the sum."""
    series = [(samples["time_ns"], samples["rss_bytes"]) for samples in map(trace.rss_of, range(len(trace.ranks)))]
    total = profiling.sum_rss(series)
    written = [(name_file(args, "memory.csv"), total)]
    if len(series) > 1:
        written += [(name_file(args, f"memory_rank{rank}.csv"), one) for rank, one in enumerate(series)]
    for path, (time_ns, rss_bytes) in written:
        profiling.write_memory(path, time_ns, rss_bytes)
        print(f"wrote {path}")
    return total


def main():
    """Run and write."""
    args = parse_arguments()
    sys.stderr.write(note_crowding(args))
    files, trace = run_profiled(args, args.sample_freq)
    print(describe_run(args, trace))
    for path in (files.output, files.trace):
        print(f"wrote {path}")
    time_ns, rss_bytes = write_csvs(args, trace)
    if not len(time_ns):
        raise profiling.ProfilingError(f"trace '{files.trace}' has no samples of memory")
    # Peaks between samples show in the kernel's own high-water mark only.
    kernel_mb = trace.ranks["peak_rss_bytes"].sum() / profiling.BYTES_PER_MB
    print(f"peak {rss_bytes.max() / profiling.BYTES_PER_MB:.1f} MB in {len(time_ns)} samples; by the kernel "
          f"{kernel_mb:.1f} MB{' (sum of the ranks, at different times)' if len(trace.ranks) > 1 else ''}")
    merged = trace.ranks["reads_merged"].max()
    if merged > 1:
        print(f"note: the run was long; each sample is the largest of up to {merged}")
    return 0


if __name__ == "__main__":
    profiling.run_script(main)
