#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a C header that says what the program is built from; Meson calls it at every build.

POLYPHONY_SOURCE_HASH   first 16 digits of the SHA-256 of all sources (src, include, meson.build, meson_options.txt):
                        needs no git, and is the same wherever the sources lie
POLYPHONY_COMMIT        git commit, with "-dirty" where sources differ from it; "unknown" without git or its data

The header is only touched when it changes, so that nothing is compiled for nothing.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

ENDINGS = {".c", ".h", ".in", ".build"}
PLACES = ["src", "include", "meson.build", "meson_options.txt"]


def list_sources(root):
    """Paths from the root, in an order that no locale changes. Hidden ones are an editor's."""
    paths = [path.relative_to(root) for place in PLACES[:2] for path in (root / place).rglob("*")
             if path.suffix in ENDINGS and path.is_file()]
    paths = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    return sorted([path.as_posix() for path in paths] + PLACES[2:])


def hash_sources(root):
    """Of names and contents."""
    digest = hashlib.sha256()
    for name in list_sources(root):
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def ask_git(root, *arguments):
    """What git says; None without git, or where it has nothing to say."""
    try:
        done = subprocess.run(["git", "--no-optional-locks", "-C", str(root), *arguments], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, universal_newlines=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def find_commit(root):
    """The commit of these sources, not of a repository that they were unpacked in."""
    top = ask_git(root, "rev-parse", "--show-toplevel")
    commit = ask_git(root, "rev-parse", "HEAD") if top and Path(top).resolve() == root else None
    if not commit:
        return "unknown"
    changes = ask_git(root, "status", "--porcelain", "--", *PLACES)
    return commit + ("-dirty" if changes is None or changes else "")


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="directory of the sources")
    parser.add_argument("header", type=Path, help="file to write")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    text = (f'#pragma once\n#define POLYPHONY_SOURCE_HASH "{hash_sources(root)}"\n'
            f'#define POLYPHONY_COMMIT "{find_commit(root)}"\n')
    try:
        is_same = arguments.header.read_text(encoding="ascii") == text
    except OSError:
        is_same = False
    if not is_same:
        arguments.header.write_text(text, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
