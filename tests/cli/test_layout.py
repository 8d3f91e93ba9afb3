#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A results file that is not laid out as its job lays it out is not written to: rows go to places in the file, and a
wrong place is somebody else's."""

import shutil
import struct

import h5py
import numpy as np

import runner
from small import INPUT, SmallTest

SFZH = "Galaxies/Stars/SFZH"
STORE = "Storage/Photometry/Fluxes"
FREE_BYTES = 65536  # appended to a file, for an address that leads to no other dataset
ALL = ("operations:\n", "operations:\n  los_optical_depths: {write_particles: yes}\n")


def replace(path, **options):
    """The dataset anew, with these options of create_dataset()."""
    def change(file):
        old = file[path]
        options.setdefault("shape", old.shape)
        options.setdefault("dtype", old.dtype)
        del file[path]
        file.create_dataset(path, **options)
    return change


def link(path, make):
    """In place of the dataset a link; its data stays under another name."""
    def change(file):
        file.move(path, "kept")
        file[path] = make()
    return change


class Layout(SmallTest):
    """An unfinished file, of which each test spoils a copy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job("whole", ALL)
        cls.call("run", "--max-galaxies", 1, "whole.yaml")

    def expect_refused(self, name, path, *parts, ranks=None):
        """By run and by check, with the dataset's name; not a byte is written, and nothing else is left."""
        before = (self.dir / f"{name}.hdf5").read_bytes()
        job = self.job(name, ALL)
        self.expect(INPUT, job, f"'{name}.hdf5' is not as it was laid out", f"'{path}'", "--overwrite", *parts,
                    command="run", ranks=ranks)
        self.expect(INPUT, job, f"'{path}'", *parts)
        self.assertEqual((self.dir / f"{name}.hdf5").read_bytes(), before)
        self.assertFalse((self.dir / f"{name}.hdf5.lock").exists())

    def spoil_and_refuse(self, name, change, path, *parts, ranks=None):
        """A copy, changed by change(file)."""
        shutil.copy(self.dir / "whole.hdf5", self.dir / f"{name}.hdf5")
        with h5py.File(self.dir / f"{name}.hdf5", "r+") as file:
            change(file)
        self.expect_refused(name, path, *parts, ranks=ranks)

    def test_another_type_or_shape_is_refused(self):
        with h5py.File(self.dir / "whole.hdf5") as file:
            shape = file[SFZH].shape
        cases = {"single": ({"dtype": "<f4"}, "float32", "expected float64"),
                 "swapped": ({"dtype": ">f8"}, "other byte order"),
                 "integer": ({"dtype": "<i8"}, "is int64"),
                 "fewer": ({"shape": (1, *shape[1:])}, "(1 x ", "expected float64 (3 x "),
                 "turned": ({"shape": (shape[0], shape[2], shape[1])}, f"({shape[0]} x {shape[2]} x {shape[1]})"),
                 "flat": ({"shape": (int(np.prod(shape)),)}, f"({np.prod(shape)})")}
        for name, (options, *parts) in cases.items():
            with self.subTest(name):
                self.spoil_and_refuse(name, replace(SFZH, **options), SFZH, *parts)
        self.spoil_and_refuse("ranks", replace(SFZH, dtype="<f4"), SFZH, ranks=3)

    def test_other_storage_is_refused(self):
        def compact(file):
            shape = file[SFZH].shape
            del file[SFZH]
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            creation.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(file["Galaxies/Stars"].id, b"SFZH", h5py.h5t.IEEE_F64LE, space, creation)

        def view(file):
            file.move(SFZH, "kept")
            layout = h5py.VirtualLayout(shape=file["kept"].shape, dtype="<f8")
            layout[:] = h5py.VirtualSource(file["kept"])
            file.create_virtual_dataset(SFZH, layout)
        (self.dir / "precious.bin").write_bytes(b"precious" * 1024)
        external = [(str(self.dir / "precious.bin"), 0, h5py.h5f.UNLIMITED)]
        for name, change, part in (("chunked", replace(SFZH, chunks=True), "is chunked"),
                                   ("external", replace(SFZH, external=external), "in other files"),
                                   ("compact", compact, "in its header"), ("view", view, "a view of other")):
            with self.subTest(name):
                self.spoil_and_refuse(name, change, SFZH, part)
        self.assertEqual((self.dir / "precious.bin").read_bytes(), b"precious" * 1024)

    def test_links_in_place_of_datasets_and_groups_are_refused(self):
        shutil.copy(self.dir / "whole.hdf5", self.dir / "elsewhere.hdf5")
        elsewhere = (self.dir / "elsewhere.hdf5").read_bytes()

        def soft_group(file):
            file.move("Galaxies/Stars", "Galaxies/Kept")
            file["Galaxies/Stars"] = h5py.SoftLink("/Galaxies/Kept")

        def group(file):
            del file[SFZH]
            file.create_group(SFZH)

        def gone(file):
            del file[SFZH]
        cases = (("soft", link(SFZH, lambda: h5py.SoftLink("/kept")), "soft link"),
                 ("far", link(SFZH, lambda: h5py.ExternalLink("elsewhere.hdf5", "/" + SFZH)), "external link"),
                 ("group", group, "is no dataset"), ("gone", gone, "is not there"))
        for name, change, part in cases:
            with self.subTest(name):
                self.spoil_and_refuse(name, change, SFZH, part)
        with self.subTest("soft_group"):
            shutil.copy(self.dir / "whole.hdf5", self.dir / "soft_group.hdf5")
            with h5py.File(self.dir / "soft_group.hdf5", "r+") as file:
                soft_group(file)
            self.expect(INPUT, self.job("soft_group", ALL), "Galaxies/Stars/", "soft link", command="run")
        self.assertEqual((self.dir / "elsewhere.hdf5").read_bytes(), elsewhere)

    def test_two_names_of_one_dataset_are_refused(self):
        """Rows of both would go to one place."""
        depths = [f"Storage/OpticalDepths/{component}" for component in ("Stars", "BlackHoles")]

        def change(file):
            del file[depths[1]]
            file[depths[1]] = file[depths[0]]
        self.spoil_and_refuse("twice", change, depths[1], "was laid out at byte")

    def place(self, name, path, address):
        """A copy in which the address of a dataset is another; the file is long enough for any that is meant."""
        source = self.dir / "whole.hdf5"
        with h5py.File(source) as file:
            old, listed = file[path].id.get_offset(), file["Run/Layout"].id.get_offset()
            n_listed = file["Run/Layout"].id.get_storage_size()
        data = bytearray(source.read_bytes() + bytes(FREE_BYTES))
        at = data.find(struct.pack("<Q", old))
        while listed <= at < listed + n_listed:  # what was noted stays
            at = data.find(struct.pack("<Q", old), at + 1)
        data[at:at + 8] = struct.pack("<Q", address)
        (self.dir / f"{name}.hdf5").write_bytes(data)
        with h5py.File(self.dir / f"{name}.hdf5") as file:
            self.assertEqual(file[path].id.get_offset(), address)

    def test_an_address_that_is_another_is_refused(self):
        """Into another dataset, into the superblock, to a place that nothing lies in, beyond the end; one bit."""
        with h5py.File(self.dir / "whole.hdf5") as file:
            other, own = file[STORE].id.get_offset(), file[SFZH].id.get_offset()
        size = (self.dir / "whole.hdf5").stat().st_size
        for name, address, part in (("into", other, "was laid out at byte"), ("super", 8, "was laid out at byte"),
                                    ("free", size, "was laid out at byte"), ("bit", own ^ 8, "was laid out at byte"),
                                    ("beyond", size + FREE_BYTES, "of a file of")):
            with self.subTest(name):
                self.place(name, SFZH, address)
                self.expect_refused(name, SFZH, part)

    def test_places_that_were_noted_falsely_are_refused(self):
        """The list and the header agree, but the place is another dataset's, or the superblock's."""
        with h5py.File(self.dir / "whole.hdf5") as file:
            other = file[STORE].id.get_offset()
        for name, address, over in (("both", other, "lies over"), ("head", 8, "lies over 'the superblock'")):
            with self.subTest(name):
                self.place(name, SFZH, address)
                with h5py.File(self.dir / f"{name}.hdf5", "r+") as file:
                    places = file["Run/Layout"][:]
                    places["offset"][places["path"] == SFZH.encode()] = address
                    file["Run/Layout"][:] = places
                before = (self.dir / f"{name}.hdf5").read_bytes()
                self.expect(INPUT, self.job(name, ALL), over, command="run")
                self.assertEqual((self.dir / f"{name}.hdf5").read_bytes(), before)

    def test_the_lists_of_the_file_are_compared(self):
        """Run/Rows says what a checksum is of, Run/Layout where; Run/Ledger has members of its own."""
        def swap_rows(file):
            file["Run/Rows"][:2] = file["Run/Rows"][:][[1, 0]]

        def change_layout(file):
            places = file["Run/Layout"][:]
            places["path"][3] = b"another"
            file["Run/Layout"][:] = places

        def change_ledger(file):
            ledger = file["Run/Ledger"][:]
            names = list(ledger.dtype.names)
            names[0], names[1] = names[1], names[0]  # status and rank
            del file["Run/Ledger"]
            dtype = np.dtype({"names": names, "formats": [ledger.dtype[i] for i in range(len(names))],
                              "offsets": [ledger.dtype.fields[n][1] for n in ledger.dtype.names], "itemsize": 256})
            file.create_dataset("Run/Ledger", data=np.zeros(3, dtype))

        def gone(file):
            del file["Run/Layout"]
        for name, change, path in (("rows", swap_rows, "Run/Rows"), ("places", change_layout, "Run/Layout"),
                                   ("ledger", change_ledger, "Run/Ledger"), ("unlisted", gone, "Run/Layout")):
            with self.subTest(name):
                self.spoil_and_refuse(name, change, path)

    def test_views_show_what_they_should(self):
        with h5py.File(self.dir / "whole.hdf5") as file:
            paths = []
            file["Galaxies/Stars/Photometry/Fluxes"].visititems(
                lambda name, item: paths.append(item.name[1:]) if isinstance(item, h5py.Dataset) else None)
            shape = file[STORE].shape

        def view_of(column):
            def change(file):
                del file[paths[0]]
                layout = h5py.VirtualLayout(shape=(3,), dtype="<f8")
                layout[:] = h5py.VirtualSource(".", STORE, shape=shape)[column]
                file.create_virtual_dataset(paths[0], layout)
            return change
        with h5py.File(self.dir / "whole.hdf5") as file:
            where = file[paths[0]].virtual_sources()[0].src_space.get_regular_hyperslab()[0]
        right = (slice(None), *where[1:])
        wrong = (slice(None), where[1], where[2] + 1)
        self.spoil_and_refuse("column", view_of(wrong), paths[0], "is a view of something else")
        self.spoil_and_refuse("number", replace(paths[0]), paths[0], "is no view")
        shutil.copy(self.dir / "whole.hdf5", self.dir / "same.hdf5")
        with h5py.File(self.dir / "same.hdf5", "r+") as file:
            view_of(right)(file)
        self.call("run", self.job("same", ALL))

    def test_a_file_as_it_was_laid_out_is_continued(self):
        """To the bits of one run, also after h5py has added to it."""
        shutil.copy(self.dir / "whole.hdf5", self.dir / "fine.hdf5")
        with h5py.File(self.dir / "fine.hdf5", "r+") as file:
            file["Notes/mine"] = np.arange(5)
            file["Galaxies"].attrs["note"] = "mine"
        self.call("run", self.job("fine", ALL), ranks=3)
        self.call("run", self.job("once", ALL))
        self.expect_same(runner.read_bytes(self.dir / "fine.hdf5"), runner.read_bytes(self.dir / "once.hdf5"), "fine")


if __name__ == "__main__":
    runner.main()
