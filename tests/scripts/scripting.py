# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts as they are called, without what starting Python and loading its libraries for plots takes each time: each call
is a copy of this process. (scripts/suite starts them the usual way.)"""

import os
import runpy
import signal
import sys
import tempfile
import traceback
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
from profiling import plt  # noqa: E402,F401  pylint: disable=unused-import,wrong-import-position

LONGEST_S = 250


def run_here(path, arguments, output, directory):
    """Become a script in this process, and end with its exit code."""
    code = 1
    try:
        signal.alarm(LONGEST_S)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8", buffering=1)
        os.chdir(directory)
        sys.argv = [str(path), *arguments]
        runpy.run_path(str(path), run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:  # pylint: disable=broad-exception-caught
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_script(name, *arguments, expected=0, directory="."):
    """Output of a script; another exit code than expected, or a traceback, is a failure."""
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            run_here(SCRIPTS / name, [str(argument) for argument in arguments], file.fileno(), directory)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        file.seek(0)
        output = file.read().decode(errors="replace")
    if code != expected or "Traceback" in output:
        raise AssertionError(f"{name} {arguments}: exit code {code}, expected {expected}\n{output}")
    return output
