#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the galaxies of results files with those of the first, bit by bit.

That is all their values, and the ledger's status and checksums. Who computed a galaxy, and how long it took, may
differ. Exit codes: 0 the same, 1 not, 2 usage, 3 a file cannot be read.
"""

import argparse
import sys

import h5py

BLOCK_BYTES = 64 << 20
FIELDS = ("status", "checksum")  # of the ledger


class DifferenceError(Exception):
    """What differs."""


def list_datasets(file):
    """Names of all datasets of galaxies."""
    names = []
    file["Galaxies"].visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(names)


def compare_layout(name, one, other):
    """Shape and type: where these differ everything does."""
    if one.shape != other.shape or one.dtype != other.dtype:
        raise DifferenceError(f"Galaxies/{name}: {one.dtype}{one.shape} and {other.dtype}{other.shape}")


def compare_dataset(name, one, other):
    """Raw bytes, some rows at a time."""
    if one.shape == ():
        if one[()].tobytes() != other[()].tobytes():
            raise DifferenceError(f"Galaxies/{name} differs")
        return
    n_row = one.shape[0]
    step = max(1, BLOCK_BYTES * n_row // max(1, one.size * one.dtype.itemsize))
    for begin in range(0, n_row, step):
        if one[begin:begin + step].tobytes() != other[begin:begin + step].tobytes():
            raise DifferenceError(f"Galaxies/{name} differs in rows {begin} to {min(begin + step, n_row) - 1}")


def compare_files(one, other):
    """Of two open files."""
    names = list_datasets(one)
    unmatched = set(names) ^ set(list_datasets(other))
    if unmatched:
        raise DifferenceError(f"Galaxies/{min(unmatched)} is in one of them only")
    for name in names:
        compare_layout(name, one["Galaxies"][name], other["Galaxies"][name])
    for field in FIELDS:
        if one["Run/Ledger"][field].tobytes() != other["Run/Ledger"][field].tobytes():
            raise DifferenceError(f"{field} in Run/Ledger differs")
    for name in names:
        compare_dataset(name, one["Galaxies"][name], other["Galaxies"][name])
    return len(names)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", metavar="RESULTS", help="results file")
    parser.add_argument("others", metavar="RESULTS", nargs="+", help="results files to compare with it")
    arguments = parser.parse_args()
    code = 0
    for path in arguments.others:
        reading = arguments.first
        try:
            with h5py.File(arguments.first, "r") as one:
                reading = path
                with h5py.File(path, "r") as other:
                    reading = f"{arguments.first} or {path}"
                    n_dataset = compare_files(one, other)
                    n_galaxy = one["Run/Ledger"].shape[0]
            print(f"{path}: the same as {arguments.first} ({n_galaxy} galaxies, {n_dataset} datasets)")
        except DifferenceError as difference:
            print(f"{path}: not as {arguments.first}: {difference}", file=sys.stderr)
            code = 1
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            print(f"compare_results.py: '{reading}': {error}", file=sys.stderr)
            return 3
    return code


if __name__ == "__main__":
    sys.exit(main())
