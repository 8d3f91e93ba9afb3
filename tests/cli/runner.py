# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the program need: running it under mpirun, small inputs, and files as bytes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[2]
LONGEST_RUN_S = 250  # a hang; a loaded machine takes ten times the usual 5 s
# When a rank ends with an error mpirun gives the others a second before it kills them. Ranks end after MPI_Finalize(), when
# there is nothing left for them to do, unless one of them was killed.
NO_GRACE = {"OMPI_MCA_odls_base_sigkill_timeout": "0"}

JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: {threads}
igm: inoue14
emission: {{model: pacman, tau_v: los, fesc: 0.1, method: {method}}}
instruments:
  - {{label: wide, builtin: JWST/NIRCam.Wide, resolution_arcsec: 0.1}}
operations:
  los_optical_depths: {{write_particles: yes}}
  sfzh: {{}}
  sfh: {{}}
  spectra: {{}}
  observed_spectra: {{}}
  photometry_luminosities: {{}}
  photometry_fluxes: {{}}
  lines: {{}}
  observed_lines: {{}}
  images_luminosity: {{labels: [intrinsic, emergent], fov_arcsec: 2}}
  images_flux: {{labels: [intrinsic, emergent], fov_arcsec: 2}}
schedule: {{mode: {mode}, max_batch_galaxies: {max_batch}}}
progress: no
"""


def source_environment():
    """Variables that scripts/env.sh sets, once for all programs that a test starts."""
    command = ["bash", "-c", '. "$0" && env -0', str(ROOT / "scripts/env.sh")]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    os.environ.update(entry.split("=", 1) for entry in os.fsdecode(found).split("\0") if "=" in entry)


source_environment()


def start(command, ranks=None, **options):
    """Start the program (under mpirun if ranks are given) in a session of its own."""
    mpirun = ["mpirun", "-n", str(ranks)] if ranks else []
    return subprocess.Popen(mpirun + [str(part) for part in command], start_new_session=True,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def finish(process, timeout_s=LONGEST_RUN_S):
    """Exit code and output; a hang is killed and raised."""
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"no end after {timeout_s} s: {process.args}\n{output}") from None
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, output


def read_bytes(path):
    """Every dataset of galaxies as raw bytes, and the ledger's checksums."""
    found = {}
    with h5py.File(path, "r") as file:
        def keep(name, item):
            if isinstance(item, h5py.Dataset) and name.startswith("Galaxies/"):
                found[name] = item[()].tobytes()
        file.visititems(keep)
        ledger = file["Run/Ledger"][()]
    found["status in Run/Ledger"] = ledger["status"].tobytes()
    found["checksum in Run/Ledger"] = ledger["checksum"].tobytes()
    return found


class ProgramTest(unittest.TestCase):
    """A directory of its own for each class of tests."""

    program = None  # path, from the command line
    longest_s = LONGEST_RUN_S

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="polyphony-cli-")
        cls.dir = Path(cls.directory.name)
        cls.mpi = []  # directories of our own for what killed ranks leave behind; a sandbox has them
        if not os.environ.get("POLYPHONY_SANDBOX"):
            cls.mpi = [tempfile.mkdtemp(prefix="polyphony-", dir="/dev/shm"),
                       tempfile.mkdtemp(prefix="pc-")]  # short: Open MPI makes sockets in it
            os.environ |= dict(zip(("OMPI_MCA_btl_vader_backing_directory", "OMPI_MCA_orte_tmpdir_base"), cls.mpi))

    @classmethod
    def tearDownClass(cls):
        for directory in cls.mpi:
            shutil.rmtree(directory, ignore_errors=True)
        cls.directory.cleanup()

    @classmethod
    def call(cls, *command, ranks=None, expected=0, more=None):
        """Run a command to its end, with more variables in its environment; its output. Another exit code than
        expected is a failure."""
        environment = os.environ | NO_GRACE | (more or {})
        code, output = finish(start([cls.program, *command], ranks, cwd=cls.dir, env=environment), cls.longest_s)
        if code != expected:
            raise AssertionError(
                f"{command} on {ranks} ranks: exit code {code}, expected {expected}\n{output}")
        return output

    @classmethod
    def make_grid(cls):
        """A small grid, grid.hdf5."""
        cls.call("demo-grid", "--nages=8", "--nmetallicities=5", "--nwavelengths=1200", "-o", "grid.hdf5")

    @classmethod
    def write_job(cls, name, text=JOB, **options):
        """A job file; its output is <name>.hdf5."""
        values = {"catalogue": "catalogue.hdf5", "grid": "grid.hdf5", "output": f"{name}.hdf5", "threads": 1,
                  "method": "fast", "mode": "dynamic", "max_batch": 64}
        path = cls.dir / f"{name}.yaml"
        path.write_text(text.format(**(values | options)), encoding="utf-8")
        return path

    def expect_same(self, got, expected, what):
        """Two results of read_bytes() are the same."""
        self.assertEqual(sorted(got), sorted(expected), f"{what}: other datasets")
        differing = [name for name in expected if got[name] != expected[name]]
        self.assertEqual(differing, [], f"{what}: these datasets differ")


class TimedResult(unittest.TextTestResult):
    """Says how long each test took."""

    def startTest(self, test):
        self.began_s = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began_s:.1f} s")


def main():
    """Command line of a test: the program, then unittest's own arguments."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: test_*.py PROGRAM [unittest arguments]")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing behind
    ProgramTest.program = Path(sys.argv.pop(1)).resolve()
    unittest.main(testRunner=unittest.TextTestRunner(verbosity=2, resultclass=TimedResult))
