# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that take as long as a test needs on any machine: equal galaxies, as many as it takes, with little to write."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import runner  # noqa: E402

JOB = """\
catalogue: {catalogue}
grid: {grid}
output: {output}
threads: {threads}
emission: {{model: pacman, tau_v: los, fesc: 0.1, method: direct}}
operations:
  los_optical_depths: {{}}
  spectra: {{}}
schedule: {{max_batch_galaxies: 4}}
progress: no
"""
N_STAR = 3000  # a tenth of a second by the direct method
N_PROBE = 8
N_GALAXY_LEAST = 60  # enough to see a middle


class SteadyTest(runner.ProgramTest):
    """A grid, the cost of a galaxy, catalogues <name>-galaxies.hdf5 and uninterrupted runs <name>-reference.hdf5."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.make_galaxies("probe", N_PROBE)
        cls.call("run", cls.write_steady("probe-run", "probe"))
        computing_s = json.loads(cls.call("status", "--json", "probe-run.hdf5"))["computing_s"]
        cls.galaxy_s = computing_s / N_PROBE

    @classmethod
    def make_galaxies(cls, name, n_galaxy):
        """A catalogue."""
        cls.call("demo-catalogue", "-g", n_galaxy, "-n", N_STAR, "-o", f"{name}-galaxies.hdf5")

    @classmethod
    def make_computing(cls, name, seconds):
        """A catalogue that takes a thread so long."""
        cls.make_galaxies(name, max(N_GALAXY_LEAST, int(seconds / cls.galaxy_s)))

    @classmethod
    def write_steady(cls, name, galaxies, threads=1):
        """A job file <name>.yaml that can be used anywhere."""
        return cls.write_job(name, JOB, catalogue=cls.dir / f"{galaxies}-galaxies.hdf5", grid=cls.dir / "grid.hdf5",
                             output=cls.dir / f"{name}.hdf5", threads=threads)

    def read_state(self, name):
        """The status file of a run; {} before there is one."""
        try:
            return json.loads((self.dir / f"{name}.hdf5.status.json").read_text(encoding="utf-8"))
        except OSError:
            return {}

    def expect_reference(self, name, reference):
        """Complete, as its checksums say, and the same bits as the uninterrupted run."""
        self.call("verify", f"{name}.hdf5")
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"),
                         runner.read_bytes(self.dir / f"{reference}-reference.hdf5"), name)
