# SPDX-License-Identifier: GPL-3.0-or-later
"""What crash tests share: a job of some hundred small galaxies, its reference, and a look at a run from outside.
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "cli"), str(HERE.parents[1] / "scripts")]

import runner  # noqa: E402
from scaling_catalogue import list_tail, merge_catalogues  # noqa: E402
from test_resume import JOB, kill, read_children  # noqa: E402

__all__ = ["CrashTest", "JOB", "Ledger", "N_GALAXY", "N_STAR", "TAIL", "find_ranks", "is_alive", "kill", "list_tail",
           "merge_catalogues", "runner", "wait_until"]

N_GALAXY = 240
N_STAR = 300
TAIL = 10  # the largest galaxy has so many times the stars of the smallest
POLL_S = 0.001


def is_alive(pid):
    """The process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def find_ranks(pid):
    """(pid of mpirun, {rank: pid}) among a process and its descendants; (None, {}) while there are none."""
    ranks, others = read_children(pid)
    if ranks:
        return pid, ranks
    for child in others:
        found = find_ranks(child)
        if found[1]:
            return found
    return None, {}


def wait_until(condition, process=None, seconds=runner.LONGEST_RUN_S):
    """Poll until condition() or the end of the process, if one is given; whether the condition came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if (process and process.poll() is not None) or time.monotonic() > deadline:
            return condition()
        time.sleep(POLL_S)
    return True


class Ledger:
    """Run/Ledger of a results file, read while others write it, without HDF5 once its place is known."""

    def __init__(self, path):
        self.path, self.offset, self.dtype = path, None, None

    def find(self):
        """Where the ledger is; False while there is no file."""
        if self.offset is None and self.path.exists():
            with h5py.File(self.path, "r") as file:
                self.offset, self.dtype = file["Run/Ledger"].id.get_offset(), file["Run/Ledger"].dtype
        return self.offset is not None

    def read(self):
        """All entries; None while there is no file."""
        if not self.find():
            return None
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return np.frombuffer(file.read(N_GALAXY * self.dtype.itemsize), self.dtype)

    def count_done(self):
        """Rows that are done."""
        entries = self.read()
        return 0 if entries is None else int(np.count_nonzero(entries["status"] == 1))


class CrashTest(runner.ProgramTest):
    """Inputs, and the results of a run that nobody disturbs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ |= {"HDF5_USE_FILE_LOCKING": "FALSE", "LAUNCH_GRACE_S": "1"}
        cls.make_grid()
        cls.make_catalogue()
        cls.write_job("reference", JOB, method="direct")
        begin = time.monotonic()
        process = runner.start([cls.program, "run", "reference.yaml"], 3, cwd=cls.dir)
        wait_until(Ledger(cls.dir / "reference.hdf5").count_done, process)
        cls.start_s = time.monotonic() - begin  # until the first galaxy is done
        code, output = runner.finish(process)
        assert code == 0, output
        cls.reference = runner.read_bytes(cls.dir / "reference.hdf5")

    @classmethod
    def make_catalogue(cls):
        """Galaxies of differing sizes."""
        parts = []
        for i, (n_star, n_galaxy) in enumerate(list_tail(N_GALAXY, N_STAR, TAIL)):
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

    @classmethod
    def start_run(cls, name, ranks=3, survive_s=None, options=(), **popen):
        """Start `run <name>.yaml`; with survive_s by the launcher script, to outlive the loss of ranks."""
        command = [cls.program, "run", *options, f"{name}.yaml"]
        if survive_s:
            command[2:2] = [f"--survive={survive_s}"]
            return runner.start([runner.ROOT / "scripts/launch.sh", "-n", ranks, "--", *command], cwd=cls.dir, **popen)
        return runner.start(command, ranks, cwd=cls.dir, **popen)

    def interrupt(self, name, act, n_done=20, ranks=3, job=None, survive_s=None):
        """Start a job, and when it has done n_done rows call act(process); its exit code and output."""
        if not job:
            self.write_job(name, JOB, method="direct", max_batch=4)
        ledger = Ledger(self.dir / f"{name}.hdf5")
        n_wanted = ledger.count_done() + n_done
        process = self.start_run(name, ranks, survive_s)
        if wait_until(lambda: ledger.count_done() >= n_wanted, process) and process.poll() is None:
            act(process)
        return runner.finish(process)

    def expect_complete(self, name, ranks=3, expected=0):
        """The same command ends with the bits of the undisturbed run."""
        output = self.call("run", f"{name}.yaml", ranks=ranks, expected=expected)
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)
        return output

    def skip_unless_mounted(self, *options):
        """A tmpfs of our own with these mount options, unmounted in the end; skip where that is not allowed."""
        disk = Path(tempfile.mkdtemp(dir=self.dir))
        command = ["mount", "-t", "tmpfs", *options, "tmpfs", disk]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            self.skipTest("needs root and a system where mount is allowed")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk
