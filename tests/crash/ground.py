# SPDX-License-Identifier: GPL-3.0-or-later
"""What crash tests share: jobs of small galaxies of differing sizes, their reference, and what killed ranks leave behind."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "cli"), str(HERE.parents[1] / "scripts")]

import runner  # noqa: E402
from interrupting import (JOB, N_GALAXY, N_STAR, InterruptTest, Ledger, find_ranks, is_alive, kill, kill_all,  # noqa: E402
                          kill_rank, wait_until)
from scaling_catalogue import list_tail, merge_catalogues  # noqa: E402

__all__ = ["CrashTest", "JOB", "Ledger", "N_GALAXY", "N_STAR", "TAIL", "find_ranks", "is_alive", "kill", "kill_all",
           "kill_rank", "runner", "wait_until"]

TAIL = 10  # the largest galaxy has so many times the stars of the smallest


class CrashTest(InterruptTest):
    """Galaxies of differing sizes."""

    @classmethod
    def setUpClass(cls):
        os.environ |= {"HDF5_USE_FILE_LOCKING": "FALSE", "LAUNCH_GRACE_S": "1"}
        super().setUpClass()

    @classmethod
    def make_catalogue(cls):
        cls.make_tail(list_tail(N_GALAXY, N_STAR, TAIL))

    @classmethod
    def make_tail(cls, sizes):
        """catalogue.hdf5 of galaxies by (stars, how many)."""
        parts = []
        for i, (n_star, n_galaxy) in enumerate(sizes):
            parts.append(cls.dir / f"part{i}.hdf5")
            cls.call("demo-catalogue", "-g", n_galaxy, "-n", n_star, "--seed", i, "-o", parts[-1])
        merge_catalogues(parts, cls.dir / "catalogue.hdf5", seed=1)

    @classmethod
    def clean_mpi(cls):
        """Remove what killed ranks have left; no run of ours may be under way."""
        for directory in cls.mpi:
            for path in glob.glob(f"{directory}/*"):
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    @classmethod
    def run_status(cls, name):
        """Exit code and output of `polyphony status`."""
        return runner.finish(runner.start([cls.program, "status", f"{name}.hdf5"], cwd=cls.dir))

    def skip_unless_mounted(self, *options):
        """A tmpfs of our own with these mount options, unmounted in the end; skip where that is not allowed."""
        disk = Path(tempfile.mkdtemp(dir=self.dir))
        command = ["mount", "-t", "tmpfs", *options, "tmpfs", disk]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            self.skipTest("needs root and a system where mount is allowed")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk
