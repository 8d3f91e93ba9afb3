# SPDX-License-Identifier: GPL-3.0-or-later
"""Small inputs of which each test spoils a copy, and what the tests of errors have in common."""

import shutil
from pathlib import Path

import h5py

import runner

USAGE, INPUT, OUTPUT, ASIDE = 2, 3, 5, 1
SOON_S = 60  # nothing here takes two seconds of computing; the rest is a busy machine

# Line numbers of the keys are part of the messages.
JOB = """\
catalogue: catalogue.hdf5
grid: grid.hdf5
output: {output}
threads: 1
emission:
  model: pacman
  tau_v: tau_v
  fesc: fesc
instruments:
  - label: wide
    builtin: JWST/NIRCam.Wide
    resolution_arcsec: 0.1
operations:
  sfzh: {{}}
  spectra: {{labels: [all]}}
  observed_spectra: {{}}
  photometry_fluxes: {{}}
  lines: {{ids: [all]}}
progress: no
"""


class SmallTest(runner.ProgramTest):
    """One small grid and catalogue in a temporary directory, and a job on them."""

    longest_s = SOON_S

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call("demo-grid", "--nages=4", "--nmetallicities=3", "--nwavelengths=300")
        cls.call("demo-catalogue", "--nparticles=20", "--ngalaxies=3", "--seed=7")
        cls.job("untouched")
        cls.call("run", "untouched.yaml")

    @classmethod
    def job(cls, name, *changes, text=JOB, output=None):
        """A job file <name>.yaml, with (old, new) text replaced."""
        text = text.format(output=output or f"{name}.hdf5")
        for old, new in changes:
            assert old in text, f"the job has no '{old}'"
            text = text.replace(old, new, 1)
        (cls.dir / f"{name}.yaml").write_text(text, encoding="utf-8")
        return f"{name}.yaml"

    def spoil(self, source, name, change):
        """A copy of an input, changed by change(file)."""
        shutil.copy(self.dir / source, self.dir / name)
        with h5py.File(self.dir / name, "r+") as file:
            change(file)
        return name

    def expect(self, code, job, *parts, command="check", ranks=None, options=()):
        """The job fails with this exit code and a message that has all the parts; one error line, no crash."""
        output = self.call(command, *options, job, ranks=ranks, expected=code)
        for part in parts:
            self.assertIn(part, output)
        self.assertEqual(output.count("polyphony: "), 1, output)
        for crash in ("Segmentation", "MPI_ABORT", "HDF5-DIAG", "Sanitizer", "signal"):
            self.assertNotIn(crash, output)

    def expect_everywhere(self, code, job, *parts):
        """The same from check, from run, and from run on three ranks; nothing is left behind."""
        self.expect(code, job, *parts)
        self.expect(code, job, *parts, command="run")
        self.expect(code, job, *parts, command="run", ranks=3)
        output = self.dir / Path(job).with_suffix(".hdf5").name
        self.assertFalse(output.exists() or Path(f"{output}.partial").exists(), "a results file was left behind")
