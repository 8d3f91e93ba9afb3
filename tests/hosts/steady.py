# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on several machines that stand still where a test wants them to, with little to write."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import runner  # noqa: E402
from interrupting import N_GALAXY, InterruptTest  # noqa: E402

__all__ = ["N_GALAXY", "SteadyTest", "runner"]

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


class SteadyTest(InterruptTest):
    """Job files that can be used anywhere, and their status files."""

    job_text = JOB

    @classmethod
    def write_steady(cls, name, catalogue="catalogue", threads=1):
        """A job file <name>.yaml."""
        return cls.write_job(name, JOB, catalogue=cls.dir / f"{catalogue}.hdf5", grid=cls.dir / "grid.hdf5",
                             output=cls.dir / f"{name}.hdf5", threads=threads)

    def read_state(self, name):
        """The status file of a run; {} before there is one."""
        try:
            return json.loads((self.dir / f"{name}.hdf5.status.json").read_text(encoding="utf-8"))
        except OSError:
            return {}

    def expect_reference(self, name):
        """Complete, as its checksums say, and the same bits as the uninterrupted run."""
        self.call("verify", f"{name}.hdf5")
        self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)
