#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a results file with a reference file, dataset by dataset.

The difference of a dataset is max |ours - reference| / max |reference|; where the reference is zero
everywhere, ours must be zero too. Every dataset of the reference under Galaxies, Lines and Extras must be in
ours; elsewhere, datasets are compared where both files have them.

Exit codes: 0 all within their bars, 1 something is not, 2 usage or unreadable file.
"""

import argparse
import fnmatch
import json
import sys
from dataclasses import asdict, dataclass

import h5py
import numpy as np

# Bars that hold whatever the job; --bar overrides them.
BARS = [
    # Synthesizer computes photometry in float32, and images from it: 1.2e-7 of rounding.
    ("Galaxies/*/Photometry/*", 3e-7),
    ("Galaxies/*/ParticlePhotometry/*", 3e-7),
    ("Galaxies/*/Images/*", 3e-7),
    # Synthesizer looks optical depths up in a table that is off by up to 1.6e-6 of scale.
    ("Galaxies/*/OpticalDepths/*", 5e-6),
]

# What Synthesizer computed but never wrote, and where we write it.
EXTRAS = {
    "Extras/SFH": "Galaxies/Stars/SFH",
    "Extras/SFZH": "Galaxies/Stars/SFZH",
    "Extras/Stars/tau_v": "Galaxies/Stars/OpticalDepths/Particles",
    "Extras/Stars/tau_v_los": "Galaxies/Stars/OpticalDepths/Particles",
    "Extras/BlackHoles/tau_v": "Galaxies/BlackHoles/OpticalDepths/Particles",
}
PARTICLE_PHOTOMETRY = {
    "Extras/Stars/particle_photo_lnu/": "Galaxies/Stars/ParticlePhotometry/Luminosities/",
    "Extras/Stars/particle_photo_fnu/": "Galaxies/Stars/ParticlePhotometry/Fluxes/",
}
# Of the first galaxy only in Synthesizer; one row per galaxy in ours.
FIRST_ROW_ONLY = "Galaxies/Lines/ObservedWavelengths"
REQUIRED = ("Galaxies/", "Lines/", "Extras/")
# Synthesizer writes the children of a model in random order, and filter curves with a zero added at each end.
NOT_COMPARED = ("EmissionModel/*", "Instruments/*/Original_*")
# numpy's kinds of types; h5py gives variable-length strings as objects.
KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "integer", "S": "text", "U": "text", "O": "text"}


@dataclass
class Result:
    """The comparison of one dataset."""

    path: str
    shape: tuple
    difference: float | None
    bar: float | None
    status: str  # ok, FAIL, not compared
    reason: str = ""

    def badness(self):
        """How far beyond the bar; infinite if no number can say."""
        if self.status == "FAIL" and self.difference is None:
            return np.inf
        if self.difference is None:
            return -1.0
        return self.difference / self.bar if self.bar > 0 else np.inf if self.difference > 0 else 0.0


def find_datasets(file):
    """Paths of all datasets of a file, in order."""
    paths = []
    file.visititems(lambda path, item: paths.append(path) if isinstance(item, h5py.Dataset) else None)
    return paths


def find_counterpart(path):
    """Path in our file of a reference dataset, and whether we may leave it out. (None, _) if unknown."""
    for prefix, ours in PARTICLE_PHOTOMETRY.items():
        if path.startswith(prefix):
            return ours + path[len(prefix):], True
    if path.startswith("Extras/"):
        return EXTRAS.get(path), False
    return path, not path.startswith(REQUIRED)


def find_bar(path, bars, default_bar):
    """The last pattern that matches decides."""
    return next((bar for pattern, bar in reversed(bars) if fnmatch.fnmatchcase(path, pattern)), default_bar)


def as_text(array):
    """Flat list of str; padding of fixed-length strings is no part of them."""
    flat = [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel().tolist()]
    return [item.rstrip(" \0") for item in flat]


def first_bad(mask):
    """Index of the first true element, as text."""
    return "[" + ", ".join(str(i) for i in np.argwhere(mask)[0]) + "]"


def compare_text(ours, reference):
    """Reason of failure, or an empty string."""
    pairs = zip(as_text(ours), as_text(reference))
    return next((f"[{i}] is '{a}', reference has '{b}'" for i, (a, b) in enumerate(pairs) if a != b), "")


def compare_numbers(ours, reference):
    """(difference relative to the scale or None, reason of failure)."""
    if reference.size == 0:
        return 0.0, ""
    not_finite = ~np.isfinite(ours)
    if not_finite.any():
        index = first_bad(not_finite)
        return None, f"{int(not_finite.sum())} values are NaN or infinite in ours, the first at {index}"
    if not np.isfinite(reference).all():
        return None, "the reference holds NaN or infinity: no comparison is possible"
    ours = ours.astype(np.float64)
    reference = reference.astype(np.float64)
    difference = np.abs(ours - reference)
    scale = np.abs(reference).max()
    if scale == 0.0:
        worst = float(difference.max())
        reason = f"the reference is zero everywhere, ours reaches {worst:.3g}"
        return (0.0, "") if worst == 0.0 else (None, reason)
    index = np.unravel_index(int(difference.argmax()), difference.shape)
    where = "[" + ", ".join(str(int(i)) for i in index) + "]"
    values = f"ours {ours[index]:.17g}, reference {reference[index]:.17g}"
    return float(difference[index] / scale), f"{where}: {values}"


def compare_dataset(path, ours, reference, bar):
    """Compare two arrays that should be the same."""
    if path == FIRST_ROW_ONLY and ours.ndim == 2 and reference.ndim == 1 and len(ours):
        ours = ours[0]
    kind_ours, kind_reference = (KINDS.get(a.dtype.kind, str(a.dtype)) for a in (ours, reference))
    if kind_ours != kind_reference:
        reason = f"type: ours {ours.dtype} ({kind_ours}), reference {reference.dtype} ({kind_reference})"
        return Result(path, ours.shape, None, bar, "FAIL", reason)
    if ours.shape != reference.shape:
        reason = f"shape: ours {ours.shape}, reference {reference.shape}"
        return Result(path, ours.shape, None, bar, "FAIL", reason)
    if kind_ours == "text":
        reason = compare_text(ours, reference)
        return Result(path, ours.shape, None if reason else 0.0, 0.0, "FAIL" if reason else "ok", reason)
    difference, reason = compare_numbers(ours, reference)
    ok = difference is not None and difference <= bar
    return Result(path, ours.shape, difference, bar, "ok" if ok else "FAIL", "" if ok else reason)


def compare_files(ours, reference, bars, default_bar, without):
    """All results, in the reference's order."""
    results = []
    for path in find_datasets(reference):
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in NOT_COMPARED):
            continue
        shape = reference[path].shape
        path_ours, optional = find_counterpart(path)
        if path_ours is None:
            results.append(Result(path, shape, None, None, "FAIL", "no place in our file is known for it"))
        elif any(fnmatch.fnmatchcase(path_ours, pattern) for pattern in without):
            results.append(Result(path_ours, shape, None, None, "not compared", "left out by --without"))
        elif not isinstance(ours.get(path_ours), h5py.Dataset):
            status, reason = "FAIL", "missing in ours"
            if optional:
                status, reason = "not compared", "not written by choice"
            if not optional or path.startswith(REQUIRED):
                results.append(Result(path_ours, shape, None, None, status, reason))
        else:
            bar = find_bar(path_ours, bars, default_bar)
            results.append(compare_dataset(path_ours, ours[path_ours][()], reference[path][()], bar))
    return results


def find_family(path):
    """The group under which a table lists a dataset."""
    parts = path.split("/")
    depth = {"Instruments": 3, "Galaxies": 4}.get(parts[0], len(parts))
    return "/".join(parts[:depth])


def print_table(results):
    """One line per family and bar with its worst member, then every failure."""
    families = {}
    for result in results:
        key = (find_family(result.path), result.bar, result.status == "not compared")
        families.setdefault(key, []).append(result)
    rows = [("dataset (worst of its family)", "of", "shape", "difference", "bar", "")]
    for (family, bar, _), members in families.items():
        worst = max(members, key=Result.badness)
        name = family + (" → " + worst.path[len(family) + 1:] if worst.path != family else "")
        status = worst.reason if worst.status == "not compared" else worst.status
        difference = "-" if worst.difference is None else f"{worst.difference:.2e}"
        rows.append((name, str(len(members)), "×".join(map(str, worst.shape)) or "scalar", difference,
                     "-" if bar is None else "equal" if bar == 0.0 else f"{bar:.0e}", status))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        cells = [row[i].ljust(widths[i]) if i in (0, 2, 5) else row[i].rjust(widths[i]) for i in range(6)]
        print("  ".join(cells).rstrip())
    failures = [result for result in results if result.status == "FAIL"]
    compared = [result for result in results if result.status != "not compared"]
    if failures:
        print()
    for result in failures:
        beyond = "" if result.difference is None else f"{result.difference:.2e} > {result.bar:.0e} at "
        print(f"FAIL {result.path}: {beyond}{result.reason}")
    print(f"\n{len(compared)} datasets compared, {len(failures)} failed")


def parse_bar(text):
    """PATTERN=VALUE."""
    pattern, _, value = text.rpartition("=")
    try:
        bar = float(value)
    except ValueError:
        bar = -1.0
    if not pattern or not 0.0 <= bar < np.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not PATTERN=VALUE with a number ≥ 0")
    return pattern.lstrip("/"), bar


def open_file(path):
    """Open for reading or end with one line."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        print(f"compare.py: cannot read '{path}': {error}", file=sys.stderr)
        sys.exit(2)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", metavar="OURS")
    parser.add_argument("reference", metavar="REFERENCE")
    parser.add_argument("--bar", action="append", type=parse_bar, default=[], metavar="PATTERN=VALUE",
                        help="bar of our paths that match (shell wildcards; the last one counts)")
    parser.add_argument("--default-bar", type=float, default=1e-9, metavar="VALUE",
                        help="bar of all others (default: %(default)s)")
    parser.add_argument("--without", action="append", default=[], metavar="PATTERN",
                        help="our paths that need not be there and are not compared")
    parser.add_argument("--json", action="store_true", help="print all results as JSON instead of the table")
    args = parser.parse_args()

    with open_file(args.ours) as ours, open_file(args.reference) as reference:
        try:
            results = compare_files(ours, reference, BARS + args.bar, args.default_bar, args.without)
        except OSError as error:
            print(f"compare.py: cannot read a dataset: {error}", file=sys.stderr)
            return 2
    if not any(result.status == "ok" for result in results):
        results.append(Result("/", (), None, None, "FAIL", "the files have no dataset in common"))
    if args.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    else:
        print_table(results)
    return int(any(result.status == "FAIL" for result in results))


if __name__ == "__main__":
    sys.exit(main())
