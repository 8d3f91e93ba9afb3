#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast methods compute what the direct method defines, in every product, and the direct one has one set of bits."""

import h5py
import numpy as np

import runner

# Sums of up to 400 stars are rounded in other orders (1e-13), and nodes are cut off at emission.dust_tolerance.
TOLERANCE = 1e-10


def compare(one, other):
    """Largest difference in each dataset of galaxies, in units of the largest value of the galaxy, which is a row."""
    found = {}
    with h5py.File(one, "r") as first, h5py.File(other, "r") as second:
        def measure(name, item):
            if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
                expected, got = item[()], second["Galaxies"][name][()]
                assert np.all(np.isfinite(expected)) and np.all(np.isfinite(got)), name
                rest = tuple(range(1, expected.ndim))
                scale = np.max(np.abs(expected), axis=rest, initial=0.0)
                worst = np.max(np.abs(expected - got), axis=rest, initial=0.0)
                assert np.all(worst[scale == 0.0] == 0.0), f"{name} is not dark"
                found[name] = np.max(worst / np.where(scale > 0.0, scale, 1.0), initial=0.0)
        first["Galaxies"].visititems(measure)
    return found


class DirectTest(runner.ProgramTest):
    """All operations on small galaxies, one redshift each, with as many wavelengths as the mission."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call("demo-grid", "--output", "grid.hdf5")
        cls.call("demo-catalogue", "--ngalaxies", 3, "--nparticles", 400, "--output", "catalogue.hdf5")
        with h5py.File(cls.dir / "catalogue.hdf5", "r+") as file:
            # So wide that everybody has dust in front, and as much of it as shows: behind more, the
            # clearest few stars are all that is seen, and truncation is not.
            file["Gas/smoothing_lengths"][...] = 40 * file["Gas/smoothing_lengths"][()]
            file["Gas/masses"][...] = 5e4 * file["Gas/masses"][()]
            file["Galaxies/redshift"][...] = (0.0, 1.0, 7.0)

    def assert_close(self, emission, left_out="", n_least=80, tolerance=TOLERANCE):
        """Both methods, in every dataset; those of some operations are left out. The largest difference."""
        paths = {}
        for method in ("direct", "fast"):
            path = self.write_job(method)
            text = path.read_text(encoding="utf-8").replace(left_out, "")
            head, _, tail = text.partition("emission: {")
            path.write_text(f"{head}emission: {{{emission}, method: {method}}}{tail[tail.index('}') + 1:]}",
                            encoding="utf-8")
            self.call("run", "--overwrite", path)
            paths[method] = self.dir / f"{method}.hdf5"
        found = compare(paths["direct"], paths["fast"])
        self.assertGreater(len(found), n_least)
        worst = max(found, key=found.get)
        self.assertLess(found[worst], tolerance, worst)
        self.assertTrue(any("Image" in name for name in found))
        with h5py.File(paths["fast"]) as file:
            depths = file["Galaxies/Stars/OpticalDepths/Particles"][()]
        self.assertGreater(np.median(depths), 0.1)
        self.assertGreater(depths.max(), 10.0)
        return found[worst]

    def test_with_a_screen_for_each_star(self):
        """Optical depths of the line of sight."""
        self.assert_close("model: pacman, tau_v: los, fesc: 0.1")

    def test_with_few_nodes(self):
        """What is compared has been through nodes: with fewer of them it shows (2.6e-10), as far as is allowed."""
        worst = self.assert_close("model: pacman, tau_v: los, fesc: 0.1, dust_tolerance: 1e-6", tolerance=1e-6)
        self.assertGreater(worst, 1e-11)

    def test_without_spectra(self):
        """Photometry that the fast method takes from tables."""
        self.assert_close("model: pacman, tau_v: los, fesc: 0.1", "  spectra: {}\n  observed_spectra: {}\n", 50)

    def test_with_one_screen(self):
        """One number, and Lyman alpha that does not all get out."""
        self.assert_close("model: pacman, tau_v: 0.7, fesc: 0.1, fesc_ly_alpha: 0.3")

    def test_bits_do_not_depend_on_threads(self):
        """One thread or three."""
        for threads in (1, 3):
            self.call("run", "--overwrite", self.write_job(f"on{threads}", threads=threads, method="direct"))
        self.expect_same(*(runner.read_bytes(self.dir / f"on{threads}.hdf5") for threads in (3, 1)), "threads")


if __name__ == "__main__":
    runner.main()
