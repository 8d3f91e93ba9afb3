#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a text file as a string of C.

    scripts/embed.py IN NAME OUT      OUT defines `static const char NAME[]`
"""

import sys
from pathlib import Path

USAGE = 2


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return USAGE
    source, name, out = sys.argv[1:]
    numbers = ", ".join(str(byte) for byte in Path(source).read_bytes())
    Path(out).write_text(f"static const char {name}[] = {{ {numbers}, 0 }};\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
