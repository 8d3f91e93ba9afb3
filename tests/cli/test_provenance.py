#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wrote a results file: which build, where, when, by which command; and which build may continue it."""

import datetime
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import h5py

import runner
from small import USAGE, SmallTest

BUILD = ("source_hash", "compiler", "flags", "program_version")
STAMP = runner.ROOT / "scripts/build_stamp.py"


def text(value):
    """Of a member or attribute."""
    return value.decode() if isinstance(value, bytes) else value


class Record(SmallTest):
    """What a file says of those who wrote it."""

    def version(self):
        """What --version says, by name."""
        output = self.call("--version")
        return dict(re.findall(r"^(commit|source hash) (\S+)$", output, re.MULTILINE)), output

    def sessions(self, name):
        """Those of /Run/Sessions that were written."""
        with h5py.File(self.dir / name) as file:
            return [entry for entry in file["Run/Sessions"][:] if entry["checksum"]]

    def unfinished(self, name, change=None):
        """One of three galaxies done, and the file changed by change(file)."""
        job = self.job(name)
        self.call("run", "--overwrite", "--max-galaxies", 1, job)
        if change:
            with h5py.File(self.dir / f"{name}.hdf5", "r+") as file:
                change(file)
        return job

    def test_the_build_host_date_and_command_are_recorded(self):
        job = self.job("it's", output="a b.hdf5")
        begin = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.call("run", "--max-galaxies=1", f"./{job}")
        end = datetime.datetime.now(datetime.timezone.utc)
        known, version = self.version()
        with h5py.File(self.dir / "a b.hdf5") as file:
            found = {name: text(value) for name, value in file["Run"].attrs.items()}
        self.assertEqual(found["source_hash"], known["source hash"])
        self.assertEqual(found["commit"], known["commit"])
        self.assertRegex(found["commit"], r"^([0-9a-f]{40}(-dirty)?|unknown)$")
        self.assertRegex(found["source_hash"], r"^[0-9a-f]{16}$")
        self.assertIn(f"polyphony {found['program_version']} ({found['compiler']}, {found['flags']})\n", version)
        self.assertIn(f"numerics version {found['numerics_version']}", version)
        self.assertEqual(found["host"], socket.gethostname())
        date = datetime.datetime.strptime(found["date_utc"] + "+0000", "%Y-%m-%dT%H:%M:%SZ%z")
        self.assertTrue(begin <= date <= end, (begin, date, end))
        self.assertEqual(shlex.split(found["command"]), [str(self.program), "run", "--max-galaxies=1", f"./{job}"])
        entry, = self.sessions("a b.hdf5")
        for name in ("commit", "source_hash", "date_utc", "host", "command", "compiler", "flags"):
            self.assertEqual(text(entry[name]), found[name])
        self.assertEqual((entry["n_run"], entry["n_rank"], entry["n_thread"]), (1, 1, 1))

    def test_each_run_that_writes_adds_itself(self):
        """In order; one that finds nothing to do changes no byte; what is torn counts as not there."""
        job = self.unfinished("many")
        self.call("run", "--max-galaxies", 1, job, ranks=3)
        self.call("run", job)
        self.assertEqual([entry["n_rank"] for entry in self.sessions("many.hdf5")], [1, 3, 1])
        before = (self.dir / "many.hdf5").read_bytes()
        self.call("run", job)
        self.assertEqual((self.dir / "many.hdf5").read_bytes(), before)
        output = self.call("status", "many.hdf5")
        self.assertEqual(output.count("written by"), 2)
        self.assertIn("by 1 runs more of the same build", output)
        self.assertEqual(self.call("status", "--all", "many.hdf5").count("written by"), 3)
        with h5py.File(self.dir / "many.hdf5", "r+") as file:
            entries = file["Run/Sessions"][:]
            entries["host"][1] = b"elsewhere"
            file["Run/Sessions"][:] = entries
        found = json.loads(self.call("status", "--json", "many.hdf5"))["sessions"]
        self.assertEqual([entry["n_rank"] for entry in found], [1])
        self.call("verify", "many.hdf5")

    def test_another_build_is_refused_and_may_be_accepted(self):
        """By the name of what differs, both values, and two ways out; then the file names both builds."""
        known, _ = self.version()
        whole = runner.read_bytes(self.dir / "untouched.hdf5")
        for key in BUILD:
            with self.subTest(key):
                job = self.unfinished(key, lambda file, key=key: file["Run"].attrs.modify(key, "another"))
                before = (self.dir / f"{key}.hdf5").read_bytes()
                parts = ("another build", f"({key}: another, this one: ", known["commit"][:40],
                         "continue it with that build", "--accept-build")
                self.expect(USAGE, job, *parts, command="run")
                self.expect(USAGE, job, *parts, command="run", ranks=3)
                self.expect(USAGE, job, *parts)
                self.assertEqual((self.dir / f"{key}.hdf5").read_bytes(), before)
                self.call("run", "--accept-build", job, ranks=3)
                self.expect_same(runner.read_bytes(self.dir / f"{key}.hdf5"), whole, key)
                self.assertEqual(len(self.sessions(f"{key}.hdf5")), 2)

    def test_other_numbers_are_never_accepted(self):
        """A numerics version or a file version that is another, also with --accept-build."""
        def numerics(file):
            file["Run"].attrs.modify("numerics_version", 1)
            file["Run"].attrs.modify("source_hash", "another")

        def version(file):
            file.attrs.modify("version", 1)
        for name, change, part in (("numerics", numerics, "numerics_version 1"), ("version", version, "file version 1")):
            job = self.unfinished(name, change)
            before = (self.dir / f"{name}.hdf5").read_bytes()
            self.expect(USAGE, job, part, command="run", options=["--accept-build"])
            self.assertEqual((self.dir / f"{name}.hdf5").read_bytes(), before)


class Stamp(unittest.TestCase):
    """scripts/build_stamp.py on copies of the sources."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="polyphony-stamp-")
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name).resolve() / "sources"
        self.header = self.root.parent / "build_stamp.h"
        for place in ("src", "include"):
            shutil.copytree(runner.ROOT / place, self.root / place)
        for place in ("meson.build", "meson_options.txt"):
            shutil.copy(runner.ROOT / place, self.root / place)

    def stamp(self, root=None):
        """(source hash, commit)."""
        subprocess.run([sys.executable, STAMP, root or self.root, self.header], check=True)
        return re.findall(r'"(.*)"', self.header.read_text(encoding="ascii"))

    def git(self, *arguments, cwd=None):
        """Skips where there is none."""
        if not shutil.which("git"):
            self.skipTest("no git")
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=cwd or self.root, check=True,
                       stdout=subprocess.DEVNULL)

    def test_the_hash_is_of_the_sources_wherever_they_lie(self):
        """Of a copy without git the same; of one character changed, or a file renamed, another; not of documents."""
        first, commit = self.stamp()
        self.assertEqual(commit, "unknown")
        self.assertEqual(self.stamp(runner.ROOT)[0], first)
        (self.root / "README.md").write_text("read me", encoding="ascii")
        (self.root / "src/cli/main.c~").write_text("kept by an editor", encoding="ascii")
        (self.root / "src/cli/.#main.c").symlink_to("nobody@nowhere")
        self.assertEqual(self.stamp()[0], first)
        source = self.root / "include/polyphony/units.h"
        source.write_bytes(source.read_bytes() + b"\n")
        second = self.stamp()[0]
        (self.root / "src/cli/main.c").rename(self.root / "src/cli/main2.c")
        self.assertEqual(len({first, second, self.stamp()[0]}), 3)

    def test_the_header_is_touched_only_when_it_changes(self):
        self.stamp()
        before = self.header.stat().st_mtime_ns
        time.sleep(0.01)
        self.stamp()
        self.assertEqual(self.header.stat().st_mtime_ns, before)

    def test_the_commit_is_that_of_the_sources(self):
        """Dirty when a source differs; not of a repository that a tarball was unpacked in."""
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "all")
        clean = self.stamp()[1]
        self.assertRegex(clean, "^[0-9a-f]{40}$")
        (self.root / "notes").write_text("not a source", encoding="ascii")
        self.assertEqual(self.stamp()[1], clean)
        (self.root / "src/new.c").write_text("int x;", encoding="ascii")
        self.assertEqual(self.stamp()[1], clean + "-dirty")
        shutil.rmtree(self.root / ".git")
        self.git("init", "-q", cwd=self.root.parent)
        self.git("commit", "-q", "--allow-empty", "-m", "another", cwd=self.root.parent)
        self.assertEqual(self.stamp()[1], "unknown")


if __name__ == "__main__":
    runner.main()
