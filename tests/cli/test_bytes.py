#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs whose bytes are elsewhere, or nowhere: links, virtual datasets, raw files, chunks, filters, locks.

What is whole gives the results of the one file it was made from, to the bit; what is not is refused by name.
"""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np

import runner
from small import INPUT, JOB, USAGE, SmallTest

N_GALAXY, N_PART = 3, 3
FIELDS = ("initial_masses", "ages", "metallicities", "coordinates")


def cut(shape, n):
    """Rows of n parts."""
    edges = np.linspace(0, shape[0], n + 1).astype(int)
    return list(zip(edges[:-1], edges[1:]))


def replace(file, name, make):
    """Put another dataset in the place of one, with its attributes; make(file, name, values) creates it."""
    old = file[name]
    values, attributes = old[()], dict(old.attrs)
    del file[name]
    new = make(file, name, values)
    for key, value in attributes.items():
        new.attrs[key] = value
    return new


def view(file, name, shape, dtype, pieces):
    """A virtual dataset of pieces (selection, source file, source dataset, its shape, its selection or None)."""
    layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
    for where, path, dataset, source_shape, what in pieces:
        source = h5py.VirtualSource(path, dataset, shape=source_shape)
        layout[where] = source if what is None else source[what]
    return file.create_virtual_dataset(name, layout, fillvalue=np.nan if dtype == "f8" else None)


# Optical depths need the coordinates, which nothing else here reads.
PLACES = JOB.replace("operations:\n", "operations:\n  los_optical_depths: {{}}\n")


class BytesTest(SmallTest):
    """Copies of the small inputs whose bytes were moved elsewhere."""

    @classmethod
    def job(cls, name, *changes, text=PLACES, output=None):
        return super().job(name, *changes, text=text, output=output)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expected = runner.read_bytes(cls.dir / "untouched.hdf5")

    def parts(self, prefix="part", n=N_PART, change=None):
        """The stars of the catalogue in n files, and a catalogue of views of them: as SWIFT and TNG have them."""
        with h5py.File(self.dir / "catalogue.hdf5") as whole:
            stars = {name: whole["Stars"][name][()] for name in FIELDS}
        for i in range(n):
            with h5py.File(self.dir / f"{prefix}.{i}.hdf5", "w") as part:
                for name, values in stars.items():
                    begin, end = cut(values.shape, n)[i]
                    part[f"P/{name}"] = values[begin:end]

        def make(file):
            for name, values in stars.items():
                pieces = [(np.s_[begin:end], f"{prefix}.{i}.hdf5", f"P/{name}",
                           (end - begin,) + values.shape[1:], None)
                          for i, (begin, end) in enumerate(cut(values.shape, n))]
                replace(file, f"Stars/{name}", lambda f, path, v: view(f, path, v.shape, "f8", pieces))
            if change:
                change(file)
        return self.spoil("catalogue.hdf5", f"{prefix}.hdf5", make)

    def one(self, name, make, field="Stars/ages", source="catalogue.hdf5"):
        """An input with one dataset made anew."""
        return self.spoil(source, f"{name}.hdf5", lambda file: replace(file, field, make))

    def refused(self, name, *parts, key="catalogue", everywhere=False):
        """Refused by check (and by run), which names all the parts."""
        job = self.job(f"bad_{name}", (f"{key}.hdf5", f"{name}.hdf5"))
        if everywhere:
            self.expect_everywhere(INPUT, job, f"'{name}.hdf5'", *parts)
        else:
            self.expect(INPUT, job, f"'{name}.hdf5'", *parts)

    def whole(self, name, key="catalogue", ranks=None, more=None):
        """Gives the results of the file it was made from."""
        job = self.job(f"job_{name}", (f"{key}.hdf5", f"{name}.hdf5"))
        runner.ProgramTest.call.__func__(type(self), "run", job, ranks=ranks, more=more)
        self.expect_same(runner.read_bytes(self.dir / f"job_{name}.hdf5"), self.expected, name)


class Views(BytesTest):
    """Virtual datasets."""

    def test_a_catalogue_of_views_is_the_files_behind_it(self):
        self.whole(self.parts("part")[:-5])
        (self.dir / "job_part.hdf5").unlink()
        self.whole("part", ranks=3)

    def test_a_missing_source_file_is_named(self):
        self.parts("gone")
        (self.dir / "gone.1.hdf5").unlink()
        self.refused("gone", "Stars/initial_masses", "gone.1.hdf5", "P/initial_masses", everywhere=True)

    def test_a_missing_source_dataset_is_named(self):
        self.parts("lacks")
        with h5py.File(self.dir / "lacks.2.hdf5", "r+") as file:
            del file["P/metallicities"]
        self.refused("lacks", "Stars/metallicities", "lacks.2.hdf5", "P/metallicities")

    def test_damaged_sources_are_named_with_what_they_are(self):
        for what, spoil, part in (
                ("short", lambda path: os.truncate(path, os.path.getsize(path) - 9), "truncated"),
                ("text", lambda path: path.write_text("no"), "not an HDF5 file"),
                ("empty", lambda path: os.truncate(path, 0), "empty"),
                ("directory", lambda path: (path.unlink(), path.mkdir()), "a directory")):
            with self.subTest(what):
                self.parts(what)
                spoil(self.dir / f"{what}.1.hdf5")
                self.refused(what, "Stars/initial_masses", f"{what}.1.hdf5", part)

    def test_a_source_with_too_few_rows_is_named(self):
        self.parts("few")
        with h5py.File(self.dir / "few.1.hdf5", "r+") as file:
            values = file["P/ages"][:-1]
            del file["P/ages"]
            file["P/ages"] = values
        self.refused("few", "Stars/ages", "few.1.hdf5", "P/ages", "19 values", "takes 20")

    def test_a_source_that_was_never_written_completely_is_named(self):
        self.parts("unwritten")
        with h5py.File(self.dir / "unwritten.1.hdf5", "r+") as file:
            del file["P/ages"]
            file.create_dataset("P/ages", (20,), "f8", chunks=(5,))[:15] = 1e7
        self.refused("unwritten", "Stars/ages", "unwritten.1.hdf5", "P/ages", "never written completely",
                     "1 of its 4 chunks", "index 15")

    def test_only_the_part_that_is_mapped_must_have_been_written(self):
        def make(file, name, values):
            with h5py.File(self.dir / "roomy_s.hdf5", "w") as source:
                source.create_dataset("x", (1000,), "f8", chunks=(30,))[100:100 + len(values)] = values
            return view(file, name, values.shape, "f8",
                        [(np.s_[:], "roomy_s.hdf5", "x", (1000,), np.s_[100:100 + len(values)])])
        self.one("roomy", make)
        self.whole("roomy")

    def test_holes_between_the_mappings_are_found(self):
        def with_hole(begin, end):
            def make(file, name, values):
                with h5py.File(self.dir / "hole_s.hdf5", "w") as source:
                    source["x"] = values
                return view(file, name, values.shape, "f8", [
                    (np.s_[:begin], "hole_s.hdf5", "x", values.shape, np.s_[:begin]),
                    (np.s_[end:], "hole_s.hdf5", "x", values.shape, np.s_[end:])])
            return make
        self.one("hole", with_hole(31, 32))
        self.refused("hole", "Stars/ages", "never written completely", "index 31")
        self.one("tail", lambda file, name, values: view(file, name, values.shape, "f8", [
            (np.s_[:59], "hole_s.hdf5", "x", values.shape, np.s_[:59])]))
        self.refused("tail", "index 59")
        self.one("overlap", with_hole(40, 20))
        self.whole("overlap")

    def test_columns_and_strides_are_understood(self):
        def columns(n):
            def make(file, name, values):
                with h5py.File(self.dir / "xyz_s.hdf5", "w") as source:
                    for i in range(3):
                        source[f"x{i}"] = values[:, i]
                return view(file, name, values.shape, "f8",
                            [(np.s_[:, i], "xyz_s.hdf5", f"x{i}", values.shape[:1], None) for i in range(n)])
            return make

        def strided(file, name, values):
            with h5py.File(self.dir / "stride_s.hdf5", "w") as source:
                source["even"], source["odd"] = values[::2], values[1::2]
            return view(file, name, values.shape, "f8", [
                (np.s_[::2], "stride_s.hdf5", "even", values[::2].shape, None),
                (np.s_[1::2], "stride_s.hdf5", "odd", values[1::2].shape, None)])
        self.one("xyz", columns(3), "Stars/coordinates")
        self.whole("xyz")
        self.one("xy", columns(2), "Stars/coordinates")
        self.refused("xy", "Stars/coordinates", "index (0, 2)")
        self.one("strided", strided)
        self.whole("strided")

    def test_views_of_views_are_followed_to_their_end(self):
        self.parts("deep")

        def make(file):
            for name in FIELDS:
                replace(file, f"Stars/{name}", lambda f, path, v: view(
                    f, path, v.shape, "f8", [(np.s_[:], "deep.hdf5", path, v.shape, None)]))
        self.spoil("catalogue.hdf5", "deeper.hdf5", make)
        self.whole("deeper")
        (self.dir / "deep.1.hdf5").unlink()
        self.refused("deeper", "Stars/initial_masses", "deep.hdf5", "deep.1.hdf5")

    def test_views_that_lead_to_themselves_are_refused(self):
        self.one("self", lambda f, name, v: view(f, name, v.shape, "f8", [(np.s_[:], ".", name, v.shape, None)]))
        self.refused("self", "Stars/ages", "leads to itself")
        self.one("selfname", lambda f, name, v: view(
            f, name, v.shape, "f8", [(np.s_[:], "selfname.hdf5", name, v.shape, None)]))
        self.refused("selfname", "Stars/ages", "leads to itself")
        for a, b in (("ping", "pong"), ("pong", "ping")):
            self.one(a, lambda f, name, v: view(f, name, v.shape, "f8",
                                                [(np.s_[:], f"{b}.hdf5", name, v.shape, None)]))
        self.refused("ping", "Stars/ages", "leads to itself")

    def test_views_of_the_same_file_are_fine(self):
        def make(file, name, values):
            file["Elsewhere/x"] = values
            return view(file, name, values.shape, "f8", [(np.s_[:], ".", "Elsewhere/x", values.shape, None)])
        self.one("same", make)
        self.whole("same")

    def test_views_nested_too_deep_are_refused(self):
        def make(file, name, values):
            file["x0"] = values
            for i in range(1, 12):
                view(file, f"x{i}", values.shape, "f8", [(np.s_[:], ".", f"x{i - 1}", values.shape, None)])
            return view(file, name, values.shape, "f8", [(np.s_[:], ".", "x11", values.shape, None)])
        self.one("nested", make)
        self.refused("nested", "Stars/ages", "deep")

    def test_views_over_links_work_and_name_what_is_missing(self):
        with h5py.File(self.dir / "far.hdf5", "w") as far, h5py.File(self.dir / "catalogue.hdf5") as whole:
            far["ages"] = whole["Stars/ages"][()]
        with h5py.File(self.dir / "near.hdf5", "w") as near:
            near["hard/link"] = h5py.ExternalLink("far.hdf5", "/ages")
            near["soft"] = h5py.SoftLink("hard/link")
        self.one("linked", lambda f, name, v: view(f, name, v.shape, "f8",
                                                   [(np.s_[:], "near.hdf5", "soft", v.shape, None)]))
        self.whole("linked")
        (self.dir / "far.hdf5").unlink()
        self.refused("linked", "Stars/ages", "near.hdf5", "hard/link", "far.hdf5")

    def test_types_that_do_not_fit_are_refused(self):
        for name, dtype, values, part in (
                ("clamped", "i8", np.array([7, 8, 2**63 + 5], "u8"), "clamp"),
                ("narrow", "i4", np.array([7, 8, 2**40], "i8"), "clamp"),
                ("floats", "i8", np.array([1.5, 2, 3]), "cut off"),
                ("words", "i8", np.array([b"a", b"b", b"c"]), "another type")):
            with self.subTest(name):
                with h5py.File(self.dir / f"{name}_s.hdf5", "w") as source:
                    source["id"] = values
                self.one(name, lambda f, path, v: view(
                    f, path, v.shape, dtype, [(np.s_[:], f"{name}_s.hdf5", "id", v.shape, None)]), "Galaxies/id")
                self.refused(name, "Galaxies/id", f"{name}_s.hdf5", part)

    def unlimited(self, name, rows, view_rows=None):
        """Ages as an unlimited view of an unlimited source, of which so many rows were written."""
        with h5py.File(self.dir / "catalogue.hdf5") as whole:
            values = whole["Stars/ages"][()]
        with h5py.File(self.dir / f"{name}_s.hdf5", "w", libver="latest") as source:
            source.create_dataset("x", data=values[:rows], maxshape=(None,), chunks=(7,))

        def make(file, path, _):
            layout = h5py.VirtualLayout((view_rows or rows,), "f8", maxshape=(None,))
            source = h5py.VirtualSource(f"{name}_s.hdf5", "x", (rows,), maxshape=(None,))
            layout[:h5py.h5s.UNLIMITED] = source[:h5py.h5s.UNLIMITED]
            return file.create_virtual_dataset(path, layout)
        self.one(name, make)

    def test_unlimited_views_are_as_long_as_their_source(self):
        self.unlimited("endless", 60)
        self.whole("endless")
        self.unlimited("ends", 50, 60)
        self.refused("ends", "Stars/ages", "50")

    def numbered(self, name, missing=()):
        """Ages in numbered files, in a view that names them by one pattern."""
        with h5py.File(self.dir / "catalogue.hdf5") as whole:
            values = whole["Stars/ages"][()]
        for i in range(3):
            if i not in missing:
                with h5py.File(self.dir / f"{name}_{i}.hdf5", "w") as part:
                    part["x"] = values[20 * i:20 * i + 20]

        def make(file, path, _):
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            space = h5py.h5s.create_simple((60,), (h5py.h5s.UNLIMITED,))
            space.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (20,), (20,))
            creation.set_virtual(space, f"{name}_%b.hdf5".encode(), b"x", h5py.h5s.create_simple((20,)))
            creation.set_fill_value(np.array(-1.0))
            h5py.h5d.create(file.id, path.encode(), h5py.h5t.NATIVE_DOUBLE, space, creation).close()
            return file[path]
        self.one(name, make)

    def test_numbered_sources_end_at_the_last_and_lack_none_between(self):
        self.numbered("num")
        self.whole("num")
        for name, missing, part in (("num0", {0}, "num0_0.hdf5"), ("num1", {1}, "num1_1.hdf5"),
                                    ("num2", {2}, "Stars/ages"), ("none", {0, 1, 2}, "none_0.hdf5")):
            with self.subTest(name):
                self.numbered(name, missing)
                self.refused(name, "Stars/ages", part)

    def test_sources_are_found_where_hdf5_finds_them(self):
        os.mkdir(self.dir / "elsewhere")
        self.parts("moved")
        for i in range(N_PART):
            shutil.move(self.dir / f"moved.{i}.hdf5", self.dir / "elsewhere")
        self.refused("moved", "moved.0.hdf5")
        self.whole("moved", more={"HDF5_VDS_PREFIX": "/nowhere:elsewhere"})
        (self.dir / "job_moved.hdf5").unlink()
        self.whole("moved", more={"HDF5_VDS_PREFIX": "${ORIGIN}/elsewhere"})
        # Beside the catalogue, and the program elsewhere.
        shutil.move(self.dir / "moved.hdf5", self.dir / "elsewhere")
        job = self.job("job_beside", ("catalogue.hdf5", "elsewhere/moved.hdf5"))
        self.call("run", job)
        self.expect_same(runner.read_bytes(self.dir / "job_beside.hdf5"), self.expected, "beside")

    def test_a_source_that_is_lost_during_the_run_ends_it(self):
        self.parts("lost")
        job = self.job("job_lost", ("catalogue.hdf5", "lost.hdf5"))
        self.call("run", "--max-galaxies=1", job)
        with h5py.File(self.dir / "lost.1.hdf5", "r+") as file:
            file["P/ages"][3] = 2e7
        self.expect(USAGE, job, "other contents of the catalogue", "'lost.1.hdf5' differs", command="run")

    def test_a_grid_of_views_is_the_files_behind_it(self):
        def make(file, name, values):
            with h5py.File(self.dir / "spectrum.hdf5", "w") as source:
                source["x"] = values
            return view(file, name, values.shape, "f8", [(np.s_[:], "spectrum.hdf5", "x", values.shape, None)])
        self.one("vgrid", make, "spectra/transmitted", "grid.hdf5")
        self.whole("vgrid", key="grid", ranks=3)
        (self.dir / "spectrum.hdf5").unlink()
        self.refused("vgrid", "spectra/transmitted", "spectrum.hdf5", key="grid", everywhere=True)

    def test_hundreds_of_sources_are_read_with_few_open_files(self):
        n = 60

        def make(file, name, values):
            for i in range(n):
                with h5py.File(self.dir / f"many.{i}.hdf5", "w") as part:
                    part["x"] = values[i:i + 1]
            return view(file, name, values.shape, "f8", [(np.s_[i:i + 1], f"many.{i}.hdf5", "x", (1,), None)
                                                         for i in range(n)])
        self.one("many", make)
        self.whole("many")


class Storage(BytesTest):
    """Chunks, raw files, filters."""

    def test_chunks_that_were_never_written_are_found(self):
        def missing(chunk, rows, **options):
            def make(file, name, values):
                dataset = file.create_dataset(name, values.shape, "f8", chunks=chunk, **options)
                for begin, end in rows:
                    dataset[begin:end] = values[begin:end]
                return dataset
            return make
        for name, chunk, rows, options, part in (
                ("first", (10,), [(10, 60)], {}, "1 of its 6 chunks"),
                ("last", (10,), [(0, 50)], {}, "index 50"),
                ("edge", (7,), [(0, 56)], {}, "1 of its 9 chunks"),
                ("gzip", (10,), [(0, 20), (30, 60)], {"compression": "gzip"}, "index 20"),
                ("nan", (10,), [(0, 20), (30, 60)], {"fillvalue": np.nan}, "index 20"),
                ("none", (10,), [], {}, "6 of its 6 chunks")):
            with self.subTest(name):
                self.one(f"chunk_{name}", missing(chunk, rows, **options))
                self.refused(f"chunk_{name}", "Stars/ages", "was never written completely", part)
        for name, chunk, options in (("edges", (7,), {}), ("zip", (7,), {"compression": "gzip", "shuffle": True}),
                                     ("one", (60,), {}), ("growing", (7,), {"maxshape": (None,)})):
            with self.subTest(name):
                self.one(f"chunks_{name}", missing(chunk, [(0, 60)], **options))
                self.whole(f"chunks_{name}")

    def test_newer_chunk_indices_are_understood(self):
        for name, maxshape, rows in (("fixed", (60,), 50), ("extensible", (None,), 50), ("btree", (None, None), 50),
                                     ("implicit", (60,), 60)):
            with self.subTest(name):
                field = "Stars/coordinates" if name == "btree" else "Stars/ages"
                with h5py.File(self.dir / "catalogue.hdf5") as whole:
                    values = whole[field][()]
                with h5py.File(self.dir / f"{name}_s.hdf5", "w", libver="latest") as source:
                    dataset = source.create_dataset("x", values.shape, "f8", chunks=(10,) + values.shape[1:],
                                                    maxshape=maxshape)
                    dataset[:rows] = values[:rows]
                self.spoil("catalogue.hdf5", f"{name}.hdf5", lambda file: file.__delitem__(field))
                with h5py.File(self.dir / f"{name}.hdf5", "r+") as file, h5py.File(self.dir / f"{name}_s.hdf5", "r+") as s:
                    s["x"].attrs["Units"] = "kpc" if name == "btree" else "yr"
                    file[field] = h5py.ExternalLink(f"{name}_s.hdf5", "x")
                if rows < 60:
                    self.refused(name, field, "never written completely")
                else:
                    self.whole(name)

    def test_what_was_created_and_never_written_is_found(self):
        self.one("created", lambda file, name, v: file.create_dataset(name, v.shape, "f8"))
        self.refused("created", "Stars/ages", "was never written completely")

    def test_compact_storage_is_whole(self):
        def make(file, name, values):
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            creation.set_layout(h5py.h5d.COMPACT)
            dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F64LE,
                                      h5py.h5s.create_simple(values.shape), creation)
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
            return file[name]
        self.one("compact", make)
        self.whole("compact")

    def test_committed_types_are_types(self):
        def make(file, name, values):
            file["type"] = np.dtype("f8")
            return file.create_dataset(name, data=values, dtype=file["type"])
        self.one("committed", make)
        self.whole("committed")

    def raw(self, name, pieces):
        """Ages in raw files: pieces of (file, offset, bytes)."""
        def make(file, path, values):
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            for piece in pieces:
                creation.set_external(piece[0].encode(), piece[1], piece[2])
            h5py.h5d.create(file.id, path.encode(), h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple(values.shape), creation)
            return file[path]
        self.one(name, make)

    def test_raw_files_are_read_and_must_be_long_enough(self):
        with h5py.File(self.dir / "catalogue.hdf5") as whole:
            values = whole["Stars/ages"][()].tobytes()
        (self.dir / "a.raw").write_bytes(b"head" * 4 + values[:200])
        (self.dir / "b.raw").write_bytes(values[200:])
        pieces = [("a.raw", 16, 200), ("b.raw", 0, h5py.h5f.UNLIMITED)]
        self.raw("raw", pieces)
        self.whole("raw", ranks=3)
        os.truncate(self.dir / "b.raw", 279)
        self.refused("raw", "Stars/ages", "'b.raw' is too short", "279 bytes, 280 are needed")
        (self.dir / "b.raw").unlink()
        self.refused("raw", "Stars/ages", "'b.raw'", "No such file")
        os.mkdir(self.dir / "rawdir")
        for name in ("raw.hdf5", "a.raw"):
            shutil.move(self.dir / name, self.dir / "rawdir")
        (self.dir / "rawdir/b.raw").write_bytes(values[200:])
        job = self.job("job_rawdir", ("catalogue.hdf5", "rawdir/raw.hdf5"))
        self.expect(INPUT, job, "HDF5_EXTFILE_PREFIX")
        runner.ProgramTest.call.__func__(type(self), "run", job, more={"HDF5_EXTFILE_PREFIX": "${ORIGIN}"})
        self.expect_same(runner.read_bytes(self.dir / "job_rawdir.hdf5"), self.expected, "raw files beside")

    def test_a_changed_raw_file_is_not_continued(self):
        with h5py.File(self.dir / "catalogue.hdf5") as whole:
            values = whole["Stars/ages"][()]
        values.tofile(self.dir / "c.raw")
        self.raw("rawchange", [("c.raw", 0, 480)])
        job = self.job("job_rawchange", ("catalogue.hdf5", "rawchange.hdf5"))
        self.call("run", "--max-galaxies=1", job)
        (values * 2).tofile(self.dir / "c.raw")
        self.expect(USAGE, job, "other contents of the catalogue", "'c.raw' differs", command="run")

    def test_filters_that_are_not_installed_are_named(self):
        self.one("lzf", lambda file, name, v: file.create_dataset(name, data=v, compression="lzf"))
        self.refused("lzf", "Stars/ages", "'lzf' (32000)", "gzip", "HDF5_PLUGIN_PATH", everywhere=True)
        for number, name in ((32001, "Blosc"), (32004, "LZ4"), (32008, "bitshuffle"), (32013, "ZFP"), (32015, "zstd"),
                             (32026, "Blosc2"), (307, "bzip2"), (399, "without a name")):
            with self.subTest(name):
                def make(file, path, values):
                    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                    creation.set_chunk((60,))
                    creation.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
                    dataset = h5py.h5d.create(file.id, path.encode(), h5py.h5t.IEEE_F64LE,
                                              h5py.h5s.create_simple(values.shape), creation)
                    dataset.write_direct_chunk((0,), values.tobytes())
                    return file[path]
                self.one(f"filter{number}", make)
                self.refused(f"filter{number}", "Stars/ages", f"'{name}' ({number})")

    def test_a_filtered_grid_is_refused_alike(self):
        self.one("lzfgrid", lambda file, name, v: file.create_dataset(name, data=v, compression="lzf", chunks=True),
                 "spectra/incident", "grid.hdf5")
        self.refused("lzfgrid", "spectra/incident", "'lzf' (32000)", key="grid")


class Links(BytesTest):
    """External and soft links."""

    def linked(self, name, target="stars"):
        with h5py.File(self.dir / "catalogue.hdf5") as whole, h5py.File(self.dir / f"{target}.hdf5", "w") as file:
            whole.copy("Stars", file)
        def make(file):
            del file["Stars"]
            file["Stars"] = h5py.ExternalLink(f"{target}.hdf5", "/Stars")
        self.spoil("catalogue.hdf5", f"{name}.hdf5", make)

    def test_linked_groups_with_their_texts_are_read(self):
        self.linked("link")
        self.whole("link", ranks=3)

    def test_links_of_links_are_followed_and_hashed(self):
        self.linked("chain0", "chain1")
        shutil.move(self.dir / "chain1.hdf5", self.dir / "chain2.hdf5")
        with h5py.File(self.dir / "chain1.hdf5", "w") as file:
            file["Stars"] = h5py.ExternalLink("chain2.hdf5", "/Stars")
        job = self.job("job_chain", ("catalogue.hdf5", "chain0.hdf5"))
        self.call("run", "--max-galaxies=1", job)
        with h5py.File(self.dir / "job_chain.hdf5") as file:
            lines = file["Run"].attrs["catalogue_sources"].splitlines()
        self.assertEqual([line.split(" ", 1)[1] for line in lines], ["chain1.hdf5", "chain2.hdf5"])
        self.call("check", job)
        with h5py.File(self.dir / "chain1.hdf5", "r+") as file:
            file["new"] = 1
        self.expect(USAGE, job, "'chain1.hdf5' differs")
        self.expect(USAGE, job, "'chain1.hdf5' differs", command="run", ranks=3)

    def test_dangling_links_are_named(self):
        self.linked("dangling", "away")
        (self.dir / "away.hdf5").unlink()
        self.refused("dangling", "'Stars'", "'/Stars'", "'away.hdf5'")
        self.linked("elsewhere", "there")
        with h5py.File(self.dir / "there.hdf5", "r+") as file:
            file.move("Stars/ages", "Stars/old")
        self.refused("elsewhere", "dataset 'Stars/ages'", "'there.hdf5'", "'/Stars/ages' is not there")
        def soft(file):
            file.move("Stars/ages", "old")
            file["Stars/ages"] = h5py.SoftLink("/nowhere/ages")
        self.spoil("catalogue.hdf5", "softly.hdf5", soft)
        self.refused("softly", "Stars/ages", "nowhere")
        def circle(file):
            file.move("Stars/ages", "old")
            file["Stars/ages"] = h5py.SoftLink("/Stars/ages")
        self.spoil("catalogue.hdf5", "circle.hdf5", circle)
        self.refused("circle", "Stars/ages", "circle")

    def test_what_is_optional_is_not_missing_where_its_link_leads_nowhere(self):
        def make(file):
            del file["Galaxies"]
            file["Galaxies"] = h5py.ExternalLink("not_there.hdf5", "/Galaxies")
        self.spoil("catalogue.hdf5", "optional.hdf5", make)
        self.refused("optional", "Galaxies", "not_there.hdf5")

    def test_a_dangling_link_that_nobody_reads_is_no_error(self):
        def make(file):
            file["Unused"] = h5py.ExternalLink("not_there.hdf5", "/x")
            file["Stars/unused"] = h5py.SoftLink("/nowhere")
        self.spoil("catalogue.hdf5", "unused.hdf5", make)
        self.whole("unused")

    def test_a_changed_grid_behind_a_link_is_not_continued(self):
        with h5py.File(self.dir / "grid.hdf5") as whole, h5py.File(self.dir / "spectra.hdf5", "w") as file:
            whole.copy("spectra", file)
        def make(file):
            del file["spectra"]
            file["spectra"] = h5py.ExternalLink("spectra.hdf5", "/spectra")
        self.spoil("grid.hdf5", "lgrid.hdf5", make)
        job = self.job("job_lgrid", ("grid.hdf5", "lgrid.hdf5"))
        self.call("run", "--max-galaxies=1", job)
        with h5py.File(self.dir / "spectra.hdf5", "r+") as file:
            file["spectra/incident"][0, 0, 0] += 1
        self.expect(USAGE, job, "other contents of the grid", "'spectra.hdf5' differs", command="run")

    def test_a_run_is_continued_from_another_directory(self):
        self.linked("cwd", "cwd_stars")
        job = self.job("job_cwd", ("catalogue.hdf5", "cwd.hdf5"))
        self.call("run", "--max-galaxies=1", job)
        text = (self.dir / job).read_text()
        for name in ("cwd.hdf5", "grid.hdf5", "job_cwd.hdf5"):
            text = text.replace(f" {name}", f" {self.dir / name}")
        os.mkdir(self.dir / "sub")
        (self.dir / "sub/job.yaml").write_text(text)
        code, output = runner.finish(runner.start([self.program, "run", "job.yaml"], cwd=self.dir / "sub"))
        self.assertEqual(code, 0, output)
        self.expect_same(runner.read_bytes(self.dir / "job_cwd.hdf5"), self.expected, "another directory")


class Opening(BytesTest):
    """What a file is, and who has it."""

    def test_files_say_what_they_are(self):
        os.mkdir(self.dir / "folder.hdf5")
        os.mkfifo(self.dir / "pipe.hdf5")
        for name, data, part in (("folder", None, "a directory"), ("pipe", None, "no regular file"),
                                 ("void", b"", "is empty"), ("packed", b"\037\213\010\0abcdefgh" * 90, "gzip"),
                                 ("fits", b"SIMPLE  =                    T" * 9, "FITS"), ("words", b"hello", "not an HDF5 file"),
                                 ("head", (self.dir / "catalogue.hdf5").read_bytes()[:30], "truncated"),
                                 ("nowhere", None, "No such file")):
            with self.subTest(name):
                if data is not None:
                    (self.dir / f"{name}.hdf5").write_bytes(data)
                self.refused(name, part)

    def test_a_file_that_is_open_for_writing_is_refused(self):
        self.parts("held")
        for name in ("held.hdf5", "held.1.hdf5"):
            with self.subTest(name):
                holder = subprocess.Popen([sys.executable, "-c", "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); "
                                           "print('open', flush=True); sys.stdin.read()", str(self.dir / name)],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                holder.stdout.readline()
                try:
                    self.refused("held", f"'{name}' is open for writing")
                finally:
                    holder.communicate()
        self.whole("held")

    def test_a_file_that_was_never_closed_is_refused(self):
        self.parts("torn")
        shutil.copy(self.dir / "torn.hdf5", self.dir / "torn_.hdf5")
        for name in ("torn.hdf5", "torn.1.hdf5"):
            with self.subTest(name):
                kept = (self.dir / name).read_bytes()
                subprocess.run([sys.executable, "-c", "import h5py, os, sys\n"
                                "with h5py.File(sys.argv[1]) as f, h5py.File('t.hdf5', 'w', libver='latest') as o:\n"
                                "    for a in f.attrs: o.attrs[a] = f.attrs[a]\n"
                                "    for k in f: f.copy(k, o)\n"
                                "    o.flush(); os._exit(0)", name], cwd=self.dir, check=True)
                os.replace(self.dir / "t.hdf5", self.dir / name)
                self.refused("torn", f"'{name}' is marked as open for writing", "h5clear -s")
                (self.dir / name).write_bytes(kept)

    def test_file_systems_without_locks_will_do(self):
        source, library = self.dir / "noflock.c", self.dir / "noflock.so"
        source.write_text("#include <errno.h>\nint flock(int fd, int what) { (void)fd; (void)what; errno = ENOLCK; return -1; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.parts("unlocked")
        job = self.job("job_unlocked", ("catalogue.hdf5", "unlocked.hdf5"))
        output = runner.ProgramTest.call.__func__(type(self), "run", job, more={"LD_PRELOAD": str(library)})
        self.assertIn("cannot be locked here", output)
        self.expect_same(runner.read_bytes(self.dir / "job_unlocked.hdf5"), self.expected, "no locks")

    def test_a_file_with_a_user_block_is_read(self):
        with h5py.File(self.dir / "catalogue.hdf5") as whole, \
                h5py.File(self.dir / "block.hdf5", "w", userblock_size=1024) as file:
            for name in whole:
                whole.copy(name, file)
            for key, value in whole.attrs.items():
                file.attrs[key] = value
        self.whole("block")


class Integers(BytesTest):
    """Ids and offsets of any type: exact, or refused with their place."""

    def ids(self, name, values, field="Galaxies/id", dtype=None):
        self.one(name, lambda file, path, v: file.create_dataset(path, data=np.asarray(values, dtype)), field)

    def test_ids_that_fit_are_kept(self):
        for name, values, dtype in (("u8", [1, 2, 2**63 - 1], "u8"), ("be", [5, 2**40, -3], ">i8"),
                                    ("f8", [7, 2.0**53, -9], "f8"), ("f4", [7, 2.0**24, -9], "f4"),
                                    ("i1", [-7, 3, 2], "i1"), ("f2", [7, 2048, 3], "f2")):
            with self.subTest(name):
                self.ids(f"ids_{name}", values, dtype=dtype)
                job = self.job(f"job_ids_{name}", ("catalogue.hdf5", f"ids_{name}.hdf5"))
                self.call("run", job)
                with h5py.File(self.dir / f"job_ids_{name}.hdf5") as file:
                    self.assertEqual(file["Galaxies/ID"][()].tolist(), [int(v) for v in values])

    def test_ids_that_do_not_fit_are_refused(self):
        for name, values, dtype, parts in (
                ("big", [1, 2, 2**63], "u8", ("index 2", "9223372036854775808", "2^63 - 1")),
                ("bigbe", [2**64 - 1, 2, 3], ">u8", ("index 0", "18446744073709551615")),
                ("half", [1, 2.5, 3], "f8", ("index 1", "2.5", "whole")),
                ("large", [1, 2, 2.0**53 + 2], "f8", ("index 2", "9007199254740994", "9007199254740992")),
                ("largef4", [1, 2.0**24 + 2, 3], "f4", ("index 1", "16777218", "16777216")),
                ("nan", [1, 2, np.nan], "f8", ("index 2", "nan"))):
            with self.subTest(name):
                self.ids(f"bad_{name}", values, dtype=dtype)
                self.refused(f"bad_{name}", "Galaxies/id", *parts)

    def test_offsets_of_floats_are_read(self):
        for field, values in (("Stars/offset", [0, 20, 40]), ("Stars/length", [20, 20, 20])):
            name = field.replace("/", "_")
            self.ids(name, values, field, "f8")
            self.whole(name)


if __name__ == "__main__":
    runner.main()
