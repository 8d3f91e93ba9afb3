#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same bits for any number of ranks and threads, order of dealing, batch and company."""

import itertools

import h5py
import numpy as np

import runner

N_GALAXY = 12
DUSTY = 6e5
# These spectra have no lines, and lines alone have no continuum.
DARK = {f"Galaxies/Stars/Lines/{kind}/{label}" for kind in ("Luminosity", "Flux")
        for label in ("incident", "transmitted", "full_transmitted", "escaped", "nebular_continuum")}
DARK.add("Galaxies/Stars/Lines/Continuum/nebular_line")
COMPONENTS = ("Stars", "Gas", "BlackHoles")

# (ranks, threads, mode, max_batch_galaxies): each rank count, thread count, mode and batch at least once.
COMBINATIONS = [
    (1, 2, "dynamic", 64),
    (1, 8, "dynamic", 1),
    (2, 1, "dynamic", 1),
    (2, 8, "static-block", 64),
    (3, 2, "static-cyclic", 64),
    (3, 1, "static-lpt", 1),
    (5, 1, "dynamic", 64),
    (5, 2, "static-block", 1),
]


def vary(path):
    """Galaxies of different sizes and redshifts, one of them without gas."""
    with h5py.File(path, "r+") as file:
        file["Stars/length"][...] = 150 - 11 * np.arange(N_GALAXY)
        file["Gas/length"][5] = 0
        # So wide that everybody has dust in front, and so much of it that it shows.
        file["Gas/smoothing_lengths"][...] = 40 * file["Gas/smoothing_lengths"][()]
        file["Gas/masses"][...] = DUSTY * file["Gas/masses"][()]
        file["Galaxies/redshift"][...] = 0.5 + np.arange(N_GALAXY) // 2


def extract(source, row, target):
    """A catalogue of one galaxy of another catalogue."""
    with h5py.File(source, "r") as file, h5py.File(target, "w") as out:
        out.attrs.update({name: file.attrs[name] for name in ("format", "version")})
        for group in ("Galaxies", *COMPONENTS):
            lo, hi = row, row + 1
            if group != "Galaxies":
                lo = int(file[group]["offset"][row])
                hi = lo + int(file[group]["length"][row])
                out[f"{group}/offset"], out[f"{group}/length"] = np.array([0]), np.array([hi - lo])
            for name, item in file[group].items():
                if name not in ("offset", "length"):
                    out[f"{group}/{name}"] = item[lo:hi]
                    out[f"{group}/{name}"].attrs.update(item.attrs)


class IdentityTest(runner.ProgramTest):
    """All operations on twelve small galaxies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_grid()
        cls.call("demo-catalogue", "-g", N_GALAXY, "-n", 150, "-o", "catalogue.hdf5")
        vary(cls.dir / "catalogue.hdf5")
        cls.call("run", cls.write_job("reference"))
        cls.reference = runner.read_bytes(cls.dir / "reference.hdf5")

    def test_there_is_something_to_compare(self):
        """Not NaN, not zeros, in every kind of dataset."""
        self.assertGreater(len(self.reference), 100)
        with h5py.File(self.dir / "reference.hdf5") as file:
            self.assertTrue(np.all(file["Run/Ledger"]["status"] == 1))
            for name in self.reference:
                if not name.startswith("Galaxies/"):
                    continue
                data = file[name][()]
                self.assertTrue(np.all(np.isfinite(data)), f"{name} is not finite")
                if name not in DARK and not name.startswith("Galaxies/Census/"):  # nothing is wrong with them
                    self.assertTrue(np.any(data != 0), f"{name} is all zeros")
            depths = file["Galaxies/Stars/OpticalDepths/Maximum"][()]
            self.assertEqual(depths[5], 0.0, "the galaxy without gas")
            self.assertTrue(np.all(np.delete(depths, 5) > 0))

    def test_ranks_threads_modes_and_batches_do_not_matter(self):
        """Raw bytes of every dataset under Galaxies, and checksums in the ledger."""
        for ranks, threads, mode, max_batch in COMBINATIONS:
            name = f"r{ranks}-t{threads}-{mode}-b{max_batch}"
            with self.subTest(name):
                job = self.write_job(name, threads=threads, mode=mode, max_batch=max_batch)
                self.call("run", job, ranks=ranks)
                self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), self.reference, name)

    def test_instruction_sets_do_not_matter(self):
        """Those that this processor does not have fall back to the best it has: then there is nothing to see."""
        for isa, tau_v in itertools.product(("baseline", "avx2", "avx512", "sse9"), ("los", "0.5")):
            name = f"{isa}-{tau_v}"
            with self.subTest(name):
                text = runner.JOB.replace("tau_v: los", f"tau_v: {tau_v}")
                job = self.write_job(name, text)
                output = self.call("run", job, ranks=None, more={"POLYPHONY_ISA": isa})
                with h5py.File(self.dir / f"{name}.hdf5") as file:
                    used = file["Run"].attrs["instruction_set"]
                used = used.decode() if isinstance(used, bytes) else used
                self.assertIn(f"instruction set: {used}", output)
                self.assertEqual(used != isa, f"POLYPHONY_ISA asks for '{isa}'; there are baseline" in output)
                expected = self.reference
                if tau_v != "los":
                    expected = runner.read_bytes(self.dir / f"baseline-{tau_v}.hdf5")
                self.expect_same(runner.read_bytes(self.dir / f"{name}.hdf5"), expected, name)

    def test_a_galaxy_alone_has_the_same_bits(self):
        """Rows, and values of particles, of a catalogue of one."""
        with h5py.File(self.dir / "catalogue.hdf5") as file:
            slices = {group: (file[group]["offset"][()], file[group]["length"][()]) for group in COMPONENTS}
        for row in (0, 5, 11):
            extract(self.dir / "catalogue.hdf5", row, self.dir / f"one{row}.hdf5")
            self.call("run", self.write_job(f"alone{row}", catalogue=f"one{row}.hdf5"))
            with (h5py.File(self.dir / "reference.hdf5") as whole,
                  h5py.File(self.dir / f"alone{row}.hdf5") as alone):
                for name in self.reference:
                    if not name.startswith("Galaxies/") or name.endswith("/FirstParticle"):
                        continue  # where its particles begin in a file of many is not the galaxy's
                    expected = whole[name][row:row + 1]
                    if name.endswith("/Particles"):
                        offset, length = slices[name.split("/")[1]]
                        expected = whole[name][offset[row]:offset[row] + length[row]]
                    self.assertEqual(alone[name][()].tobytes(), expected.tobytes(),
                                     f"galaxy {row} alone: {name}")
                self.assertEqual(alone["Run/Ledger"]["checksum"][0], whole["Run/Ledger"]["checksum"][row])

    def test_the_fast_method_agrees_with_the_direct_one(self):
        """Relative to the largest value of each galaxy in each dataset."""
        self.call("run", self.write_job("direct", method="direct"), ranks=3)
        with h5py.File(self.dir / "reference.hdf5") as fast, h5py.File(self.dir / "direct.hdf5") as direct:
            for name in self.reference:
                if not name.startswith("Galaxies/"):
                    continue
                expected, found = direct[name][()], fast[name][()]
                rest = tuple(range(1, expected.ndim))
                scale = np.max(np.abs(expected), axis=rest, initial=0.0)
                worst = np.max(np.abs(found - expected), axis=rest, initial=0.0)
                # emission.dust_tolerance, that of nodes; sums in another order are off by 1e-13.
                off = np.max(worst / np.where(scale > 0, scale, 1.0))
                self.assertTrue(np.all(worst <= 1e-10 * scale), f"{name}: off by {off:.3g} of a galaxy's scale")
            depths = fast["Galaxies/Stars/OpticalDepths/Particles"][()]
            self.assertGreater(np.median(depths), 0.1)
            self.assertGreater(depths.max(), 10.0)


if __name__ == "__main__":
    runner.main()
