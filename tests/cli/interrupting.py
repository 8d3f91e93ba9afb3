# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that stand still at a row of the test's choice (hold_rows.c), so that what happens to them then does not depend on
how fast a machine is; the ranks of a run, and its ledger, as they are seen from outside."""

import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

import h5py
import numpy as np

import runner

N_GALAXY = 40
N_STAR = 20
POLL_S = 0.002
JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: {threads}
emission: {{model: pacman, tau_v: los, fesc: 0.1, method: {method}}}
instruments:
  - {{label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}}
operations:
  los_optical_depths: {{write_particles: yes}}
  sfzh: {{}}
  spectra: {{labels: [intrinsic, emergent]}}
  photometry_fluxes: {{labels: [emergent]}}
  images_flux: {{labels: [emergent], fov_arcsec: 1}}
schedule: {{mode: {mode}, max_batch_galaxies: {max_batch}}}
progress: no
"""


# ---- processes ---------------------------------------------------------------------------------------


def read_children(pid):
    """Process ids of the children of a process, by rank of those that are ranks, and of the others."""
    ranks, others = {}, []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return {}, []
    for child in children:
        try:
            with open(f"/proc/{child}/environ", "rb") as file:
                rank = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", file.read())
        except OSError:
            continue
        if rank:
            ranks[int(rank[1])] = child
        else:
            others.append(child)
    return ranks, others


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


def is_alive(pid):
    """The process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid, number):
    """A signal, unless the process has ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_rank(process, rank, number=signal.SIGKILL):
    """A signal to a rank of a run that is under way."""
    kill(find_ranks(process.pid)[1][rank], number)


def kill_all(process):
    """Everything at once, mpirun first, as when a machine dies."""
    mpirun, ranks = find_ranks(process.pid)
    for pid in (process.pid, mpirun or process.pid, *ranks.values()):
        kill(pid, signal.SIGKILL)


def wait_until(condition, process=None, seconds=runner.LONGEST_RUN_S):
    """Poll until condition() or the end of the process, if one is given; whether the condition came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if (process and process.poll() is not None) or time.monotonic() > deadline:
            return condition()
        time.sleep(POLL_S)
    return True


# ---- rows --------------------------------------------------------------------------------------------


class Ledger:
    """Run/Ledger of a results file, read while others write it, without HDF5 once its place is known."""

    def __init__(self, path):
        self.path, self.offset, self.dtype, self.n_galaxy = path, None, None, 0

    def find(self):
        """Where the ledger is; False while there is no file."""
        if self.offset is None and self.path.exists():
            with h5py.File(self.path, "r", locking=False) as file:
                ledger = file["Run/Ledger"]
                self.offset, self.dtype, self.n_galaxy = ledger.id.get_offset(), ledger.dtype, len(ledger)
        return self.offset is not None

    def read(self):
        """All entries; None while there is no file."""
        if not self.find():
            return None
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return np.frombuffer(file.read(self.n_galaxy * self.dtype.itemsize), self.dtype)

    def count_done(self):
        """Rows that are done."""
        entries = self.read()
        return 0 if entries is None else int(np.count_nonzero(entries["status"] == 1))


class Hold:
    """Keeps the processes of a run from writing more than n_row rows each, until release(); those after (without n_row
    all of them) take row_s longer."""

    def __init__(self, library, results, n_row=None, row_s=0):
        self.until = Path(f"{results}.go")
        for path in (self.until, *self.list_held()):
            path.unlink(missing_ok=True)
        self.variables = {"LD_PRELOAD": str(library), "HOLD_PATH": f"/{results.name}", "HOLD_ROW_S": str(row_s)}
        if n_row is not None:
            self.variables |= {"HOLD_AFTER": str(n_row), "HOLD_UNTIL": str(self.until)}

    def list_held(self):
        """A file for each process that stands still."""
        return list(self.until.parent.glob(f"{self.until.name}.*"))

    def release(self):
        """Let them go on."""
        self.until.touch()


class InterruptTest(runner.ProgramTest):
    """Small galaxies, the results of a run that nobody disturbs, and runs that stand still where they are told to."""

    job_text = JOB

    @classmethod
    def setUpClass(cls):
        if not shutil.which(os.environ.get("CC", "cc").split()[0]):
            raise unittest.SkipTest("needs a C compiler")
        super().setUpClass()
        cls.hold_library = cls.build_preload(Path(__file__).with_name("hold_rows.c"))
        cls.make_grid()
        cls.make_catalogue()
        cls.call("run", cls.write_job("reference", cls.job_text, method="direct"), ranks=3)
        cls.reference = runner.read_bytes(cls.dir / "reference.hdf5")

    @classmethod
    def make_catalogue(cls):
        """catalogue.hdf5."""
        cls.call("demo-catalogue", "-g", N_GALAXY, "-n", N_STAR, "-o", "catalogue.hdf5")

    @classmethod
    def build_preload(cls, source):
        """Compile a library that is to be preloaded; its path."""
        library = cls.dir / f"{source.stem}.so"
        flags = ["-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-shared", "-fPIC"]
        subprocess.run([*os.environ.get("CC", "cc").split(), *flags, "-o", library, source, "-ldl", "-lm"], check=True)
        return library

    @classmethod
    def hold(cls, name, n_row=None, row_s=0):
        """A Hold on <name>.hdf5."""
        return Hold(cls.hold_library, cls.dir / f"{name}.hdf5", n_row, row_s)

    @classmethod
    def start_run(cls, name, ranks=3, survive_s=None, options=(), hold=None, **popen):
        """Start `run <name>.yaml`; with survive_s by the launcher script, to outlive the loss of ranks."""
        command = [cls.program, "run", *options, f"{name}.yaml"]
        if hold:
            popen["env"] = popen.get("env", os.environ) | hold.variables
        if survive_s:
            command[2:2] = [f"--survive={survive_s}"]
            return runner.start([runner.ROOT / "scripts/launch.sh", "-n", ranks, "--", *command], cwd=cls.dir, **popen)
        return runner.start(command, ranks, cwd=cls.dir, **popen)

    def start_held(self, name, n_done, ranks=3, row_s=0, **options):
        """Start <name>.yaml; when n_done rows are done, the same number by each worker, all workers stand still, with the
        next row in hand: the process and its Hold."""
        n_worker = ranks - 1 if ranks else 1
        self.assertEqual(n_done % n_worker, 0)
        ledger = Ledger(self.dir / f"{name}.hdf5")
        n_wanted = ledger.count_done() + n_done
        hold = self.hold(name, n_done // n_worker, row_s)
        process = self.start_run(name, ranks, hold=hold, **options)
        if not wait_until(lambda: len(hold.list_held()) == n_worker, process) or ledger.count_done() != n_wanted:
            hold.release()
            self.fail(f"{name}: {ledger.count_done()} rows, not {n_wanted}: {runner.finish(process)}")
        return process, hold

    def interrupt(self, name, act, n_done=N_GALAXY // 2, ranks=3, goes_on=True, job=None, **options):
        """Start a job, and when it stands still after n_done rows call act(process); then, if it goes_on, let the ranks
        that are left go on. Its exit code and output."""
        if not job:
            self.write_job(name, self.job_text, method="direct", max_batch=4)
        process, hold = self.start_held(name, n_done, ranks, **options)
        act(process)
        if goes_on:
            hold.release()
        return runner.finish(process)

    def expect_complete(self, name, ranks=3, expected=0):
        """The same command ends with the bits of the undisturbed run; its output."""
        output = self.call("run", f"{name}.yaml", ranks=ranks, expected=expected)
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)
        return output
