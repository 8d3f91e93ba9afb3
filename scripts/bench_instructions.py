#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the instructions of a small job under callgrind, and compare with those recorded in the repository.

    scripts/bench_instructions.py              compare
    scripts/bench_instructions.py --update     record

A busy machine does not disturb these counts, so a change that costs 5 % is seen. They depend on compiler and libraries:
where these are not those of the record, nothing is compared. Counted is what runs below pipeline_run_group(), by one
thread with AVX2 (valgrind knows no AVX-512), in our own code and in libm: not start-up, not HDF5.

Exit codes: 0 as recorded, 1 not, 2 usage, 3 a command failed, 77 nothing compared.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from profiling import BAD_INPUT, ROOT, USAGE, ProfilingError, run_script

SKIPPED = 77  # meson's word for it
ALLOWED = 0.05
LEAST_SHARE = 0.01  # of all instructions: smaller parts are recorded, not compared
FUNCTION = "pipeline_run_group"
JOB = """\
catalogue: catalogue.hdf5
grid: grid.hdf5
output: results.hdf5
threads: 1
igm: inoue14
emission: {model: pacman, tau_v: los, fesc: 0.1}
instruments:
  - {label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}
operations:
  los_optical_depths: {}
  sfzh: {}
  sfh: {}
  spectra: {}
  observed_spectra: {}
  photometry_luminosities: {}
  photometry_fluxes: {}
  lines: {}
  observed_lines: {}
  images_luminosity: {fov_kpc: 60}
  images_flux: {fov_kpc: 60}
trace: off
progress: no
"""
# callgrind_annotate: "1,234 (5.6%)  file:function [object]", the share only from some versions on
LINE = re.compile(r"^\s*([\d,]+)\s+(?:\([\s\d.]+%\)\s+)?(\S+?):(.+?)(?:\s+\[(.+)\])?$")
INTRINSICS = "intrin.h"  # how the names of the compiler's headers end whose functions are instructions


def run(command, folder, **environment):
    """A command that must succeed; its standard output."""
    done = subprocess.run([str(word) for word in command], cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=os.environ | environment, check=False)
    if done.returncode:
        raise ProfilingError(f"'{' '.join(map(str, command))}' ended with code {done.returncode}:\n{done.stderr}")
    return done.stdout


def describe_tools(program):
    """What the counts depend on."""
    compiler = re.search(r"\((.*)\)", run([program, "--version"], None).splitlines()[0])[1]
    return {"compiler": compiler, "libc": os.confstr("CS_GNU_LIBC_VERSION"),
            "valgrind": run(["valgrind", "--version"], None).strip(), "machine": os.uname().machine}


def find_obstacle(program):
    """Why counting is not possible here; empty if it is."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed (scripts/install.sh --bench)"
    if re.search(r"lib[at]san", run(["ldd", program], None)):
        return "the program is built with a sanitizer"
    if " avx2 " not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        return "the processor has no AVX2"
    return ""


def name_part(path, library):
    """The part of the program that a line belongs to; None: not ours."""
    match = re.match(r"(?:.*/)?src/([a-z_]+/.*)$", path)  # the last src/: the repository may lie in one
    if library and Path(library).name.startswith("libm."):
        return "libm"
    if match and (not library or "/lib" not in library):
        return os.path.normpath(match[1])
    if path.endswith("intrin.h"):
        return INTRINSICS
    return None


def parse_counts(text):
    """Instructions by source file, from the output of callgrind_annotate. What is inlined counts where it is inlined:
    which of its instructions keep a line of their header is the compiler's whim."""
    lines = [(name_part(match[2], match[4]), match[3], int(match[1].replace(",", "")))
             for match in map(LINE.match, text.splitlines()) if match]
    home, counts = {}, {}
    for part, function, n in sorted((line for line in lines if line[0]), key=lambda line: line[2]):
        if not part.endswith(".h"):
            home[function] = part  # the largest one stays
    for part, function, n in lines:
        name = home.get(function, part) if part and part.endswith(".h") else part
        if name and name != INTRINSICS:
            counts[name] = counts.get(name, 0) + n
    return counts


def count(program, n_star):
    """Run the job in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="polyphony-instructions-") as folder:
        run([program, "demo-grid", "--nwavelengths", 1000, "--output", "grid.hdf5"], folder)
        run([program, "demo-catalogue", "--ngalaxies", 4, "--nparticles", n_star, "--output", "catalogue.hdf5"], folder)
        (Path(folder) / "job.yaml").write_text(JOB, encoding="utf-8")
        run(["valgrind", "--tool=callgrind", "--callgrind-out-file=callgrind.out", "--collect-atstart=no",
             f"--toggle-collect={FUNCTION}", program, "run", "job.yaml"], folder, POLYPHONY_ISA="avx2")
        counts = parse_counts(run(["callgrind_annotate", "--threshold=100", "--auto=no", "callgrind.out"], folder))
    if not counts:
        raise ProfilingError(f"callgrind counted nothing below {FUNCTION}()")
    return {"all": sum(counts.values())} | dict(sorted(counts.items(), key=lambda item: -item[1]))


def compare(counts, recorded):
    """Lines about what differs by more than is allowed."""
    found = []
    for part in recorded | counts:
        old, new = recorded.get(part, 0), counts.get(part, 0)
        if max(old, new) >= LEAST_SHARE * recorded["all"] and abs(new - old) > ALLOWED * old:
            found.append(f"{part}: {new:,} instructions, recorded {old:,} ({100 * (new / old - 1) if old else 100:+.1f} %)")
    return found


def print_counts(counts, recorded):
    """The largest parts."""
    for part, new in counts.items():
        if new >= LEAST_SHARE * counts["all"]:
            old = recorded.get(part)
            print(f"{new:15,}  {100 * new / counts['all']:5.1f} %  {part}" + (f"  {100 * (new / old - 1):+.2f} %" if old else ""))


def main():
    """Count, and compare or record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="record the counts")
    parser.add_argument("--polyphony", type=Path, default=ROOT / "build/polyphony", metavar="FILE",
                        help="the program (default: build/polyphony)")
    parser.add_argument("--record", type=Path, default=ROOT / "tests/bench/instructions.json", metavar="FILE",
                        help="where counts are recorded (default: tests/bench/instructions.json)")
    parser.add_argument("--nparticles", type=int, default=400, metavar="N", help="stars of each of 4 galaxies (default: "
                        "%(default)s, those of the record)")
    args = parser.parse_args()
    if not os.access(args.polyphony, os.X_OK):
        raise ProfilingError(f"--polyphony '{args.polyphony}' is no program; build it with scripts/build.sh", USAGE)
    program = args.polyphony.resolve()
    obstacle = find_obstacle(program)
    if obstacle:
        print(f"skipped: {obstacle}")
        return SKIPPED
    tools = describe_tools(program) | {"stars": args.nparticles}
    record = {}
    if args.record.is_file():
        try:
            record = json.loads(args.record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ProfilingError(f"--record '{args.record}': {error}", BAD_INPUT) from None
    if not args.update and record.get("tools") != tools:
        print(f"skipped: recorded with {record.get('tools')}, this is {tools}; --update records anew")
        return SKIPPED
    counts = count(program, args.nparticles)
    print_counts(counts, record.get("instructions", {}))
    if args.update:
        args.record.write_text(json.dumps({"tools": tools, "instructions": counts}, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {args.record}")
        return 0
    found = compare(counts, record["instructions"])
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("more than 5 % from the record: if that is meant, scripts/bench_instructions.py --update", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    run_script(main)
