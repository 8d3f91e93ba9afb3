# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts: files of which not every page is of the same moment, continued to the reference's bits.

Two kinds of such files are made of a run that is under way:

copy  its pages are copied one by one in random order, of 4 or 64 KiB, while the run goes on, with or without lock and
      status file. Ledger entries, marks of what is on disk and values are of different moments, and nothing tells.
cut   everything is killed, and what is left is what was on disk: the content of the file when the last sync began
      (drop_unsynced.c keeps it), and of the pages written since then a random part.

Then `polyphony status` must read it, and a run with other ranks and threads ends with all rows as they should be. Of a
cut, no row that is marked as being on disk may be wrong.
"""

import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np

from ground import CrashTest, Ledger, find_ranks, is_alive, kill, runner, wait_until
from scaling_catalogue import list_tail

ALL_DONE, INPUT, STOPPED = 0, 3, 4
N_GALAXY, N_STAR, TAIL = 240, 300, 10
N_LARGE, N_STAR_LARGE = 2, 120000  # computed in tiles: they need more than the 30 MB of the job
SYNC_S = 0.15
SLOW_US = 60  # a row takes some 60 requests
COPIES_A_RUN = 4
MOST_CUTS = 3  # of one file
PAGES = (4096, 65536)
FRACTIONS = (0, 0.02, 0.5, 0.98)  # of the pages written since the last sync that a cut keeps
JOB = runner.JOB.replace("schedule:", f"output_types: {{{{images: float32}}}}\nmemory_mb: 30\nsync_interval_s: {SYNC_S}\n"
                         "schedule:")
HEADER = ("image", "kind", "written with", "page KiB", "lock", "status", "rows written", "marked on disk",
          "lost", "marked and lost", "continued with", "computed again")


class PowerCuts(CrashTest):
    """Makes torn files, continues them, and keeps the book."""

    @classmethod
    def setUpClass(cls):
        runner.ProgramTest.setUpClass.__func__(cls)
        os.environ |= {"HDF5_USE_FILE_LOCKING": "FALSE"}
        cls.make_grid()
        cls.make_catalogue()

    @classmethod
    def make_catalogue(cls):
        """Galaxies of differing sizes, some of them too large for the memory that they are given."""
        cls.make_tail([*list_tail(N_GALAXY - N_LARGE, N_STAR, TAIL), (N_STAR_LARGE, N_LARGE)])

    def __init__(self, args):
        super().__init__()
        self.args, self.choices, self.counts = args, random.Random(args.seed), Counter()
        self.faults, self.i_image = [], 0
        self.library = self.build_library()
        self.call("run", self.write_job("reference", JOB))
        self.reference = runner.read_bytes(self.dir / "reference.hdf5")

    def build_library(self):
        """drop_unsynced.so; None without a compiler: then there are no cuts."""
        if not shutil.which(os.environ.get("CC", "cc").split()[0]):
            return None
        return self.build_preload(Path(__file__).with_name("drop_unsynced.c"))

    def fault(self, text):
        """Something is not as it should be."""
        self.faults.append(text)
        print(f"FAULT: {text}", flush=True)

    # ---- running ---------------------------------------------------------------------------------------

    def start(self, name, syncs=True):
        """A run of some ranks and threads, slow enough to be looked at; (process, how)."""
        ranks, threads = self.choices.choice((2, 3, 3, 4)), self.choices.choice((1, 1, 2))
        batch = self.choices.choice((1, 4, 64))
        self.write_job(name, JOB, threads=threads, max_batch=batch)
        environment = os.environ
        if self.library:
            environment = environment | {"LD_PRELOAD": str(self.library), "SHADOW_OF": f"/{name}.hdf5",
                                         "SLOW_US": str(SLOW_US)}
            if syncs:
                environment |= {"SHADOW": str(self.dir / "shadow"), "SHADOW_LOCK": str(self.dir / "shadow.lock")}
        return self.start_run(name, ranks, env=environment), f"{ranks} x {threads}, batch {batch}"

    def await_rows(self, ledger, process, n_begin, fraction):
        """Until so many of the rows that were left are done."""
        n_wanted = n_begin + 1 + int(fraction * (N_GALAXY - n_begin - 1))
        return wait_until(lambda: ledger.count_done() >= n_wanted, process) and process.poll() is None

    # ---- copies ----------------------------------------------------------------------------------------

    def copy_pages(self, source, target, page_bytes):
        """Page by page in random order, over up to half a second."""
        size = source.stat().st_size
        offsets = list(range(0, size, page_bytes))
        self.choices.shuffle(offsets)
        n_pause, seconds = 20, self.choices.uniform(0, 0.5)
        with open(source, "rb") as old, open(target, "wb") as new:
            new.truncate(size)
            for i, offset in enumerate(offsets):
                if i % (len(offsets) // n_pause + 1) == 0:
                    time.sleep(seconds / n_pause)
                new.seek(offset)
                old.seek(offset)
                new.write(old.read(page_bytes))

    def take_copies(self, n_wanted):
        """Of one run; then each is continued."""
        live, images = self.dir / "live.hdf5", []
        self.remove("live")
        process, how = self.start("live", syncs=False)
        ledger = Ledger(live)
        moments = sorted(self.choices.random() for _ in range(min(n_wanted, COPIES_A_RUN)))
        for moment in moments:
            if not self.await_rows(ledger, process, 0, moment):
                break
            name, page_bytes = f"copy{self.i_image + len(images)}", self.choices.choice(PAGES)
            image = {"name": name, "kind": "copy", "how": how, "page": page_bytes, "lock": "no",
                     "status": "no"}
            # Before the file or after: neither is of the same moment.
            if self.choices.random() < 0.5:
                image["lock"] = self.copy_beside("live.hdf5.lock", f"{name}.hdf5.lock")
            self.copy_pages(live, self.dir / f"{name}.hdf5", page_bytes)
            if self.choices.random() < 0.5:
                image["status"] = self.copy_beside("live.status.json", f"{name}.status.json")
            images.append(image)
        code, output = runner.finish(process)
        if code != ALL_DONE:
            self.fault(f"the run that was copied ended with {code}: {output}")
        for image in images:
            self.judge(image)
        self.remove("live")
        return len(images)

    def copy_beside(self, source, target):
        """A file beside the results, if it is there."""
        try:
            shutil.copy(self.dir / source, self.dir / target)
        except OSError:
            return "no"
        return "yes"

    # ---- cuts ------------------------------------------------------------------------------------------

    def cut(self, name, process):
        """Kill everything, and put in the place of the file what was on disk. Whether there is anything."""
        mpirun, ranks = find_ranks(process.pid)
        pids = [mpirun, *ranks.values()] if ranks else [process.pid]
        for pid in pids:
            kill(pid, signal.SIGKILL)
        runner.finish(process)
        wait_until(lambda: not any(map(is_alive, pids)), seconds=runner.LONGEST_RUN_S)
        self.clean_mpi()
        live, shadow = self.dir / f"{name}.hdf5", self.dir / "shadow"
        if not shadow.exists():  # it was laid out, and nothing of it had reached the disk
            live.unlink(missing_ok=True)
            return False
        page_bytes, fraction = self.choices.choice(PAGES), self.choices.choice(FRACTIONS)
        old = np.fromfile(shadow, np.uint8)
        new = np.fromfile(live, np.uint8)
        assert len(old) == len(new)
        for begin in range(0, len(new), page_bytes):
            if self.choices.random() < fraction:
                old[begin:begin + page_bytes] = new[begin:begin + page_bytes]
        live.unlink()
        old.tofile(live)
        self.page_bytes = page_bytes
        return True

    def take_cuts(self, n_wanted):
        """Of one file, one after the other; then it is continued to its end."""
        name = f"cut{self.i_image}"
        n_cut, hows, images = self.choices.randint(1, min(MOST_CUTS, n_wanted)), [], 0
        self.remove("shadow")
        for _ in range(n_cut):
            ledger = Ledger(self.dir / f"{name}.hdf5")
            n_begin = ledger.count_done()
            process, how = self.start(name)
            hows.append(how)
            if not self.await_rows(ledger, process, n_begin, self.choices.random() * 0.9):
                runner.finish(process)
                break
            time.sleep(self.choices.uniform(0, SYNC_S))
            if process.poll() is not None:
                runner.finish(process)
                break
            there = self.cut(name, process)
            images += 1
            beside = {"lock": "no", "status": "no"}
            for key, path in (("lock", f"{name}.hdf5.lock"), ("status", f"{name}.status.json")):
                draw = self.choices.random()
                if draw < 0.4:
                    (self.dir / path).unlink(missing_ok=True)
                elif draw < 0.5 and (self.dir / path).exists():
                    os.truncate(self.dir / path, 0)
                    beside[key] = "empty"
                elif (self.dir / path).exists():
                    beside[key] = "yes"
            image = {"name": name, "kind": "cut", "how": how, "page": self.page_bytes if there else 0, **beside}
            if there:
                shutil.copy(self.dir / f"{name}.hdf5", self.dir / "shadow")  # what is there when the next run begins
            self.judge(image, is_last=images == n_cut)
        else:
            return images
        if images:  # the last run came to its end before it was cut
            self.finish_image({"name": name}, 0)
        self.remove(name)
        return images

    # ---- judging ---------------------------------------------------------------------------------------

    def look(self, image):
        """What of the image is written, marked, lost: (rows written, marked, lost, marked and lost)."""
        name, path = image["name"], self.dir / f"{image['name']}.hdf5"
        code, output = self.run_status(name)
        if not re.search(r"\d+ galaxies: \d+ done, \d+ set aside, \d+ left", output) or code not in (ALL_DONE, STOPPED):
            self.fault(f"{name}: status ended with {code}: {output}")
        code, output = runner.finish(runner.start([self.program, "verify", "--all", path.name], cwd=self.dir))
        lost = {int(row) for row in re.findall(r"\(row (\d+)\): its values", output)}
        if code not in (ALL_DONE, INPUT) or ((code == INPUT) != bool(re.search(r"\(row \d+\): ", output))):
            self.fault(f"{name}: verify ended with {code}: {output}")
        entries = Ledger(path).read()
        marked = set(np.flatnonzero((entries["status"] == 1) & (entries["is_on_disk"] == 1)).tolist())
        return int(np.count_nonzero(entries["status"] == 1)), len(marked), len(lost), len(marked & lost)

    def judge(self, image, is_last=True):
        """Continue it to the reference's bits; of a cut that is not the last, only look."""
        name, kind = image["name"], image["kind"]
        path = self.dir / f"{name}.hdf5"
        n_done, n_marked, n_lost, n_both = self.look(image) if path.exists() else (0, 0, 0, 0)
        self.i_image += 1
        if n_both and kind == "cut":
            self.fault(f"{name}: {n_both} rows are said to be on disk, and are lost")
        how, n_again = "the next run", ""
        if is_last:
            how, n_again = self.finish_image(image, n_lost)
        row = (self.i_image, kind, image["how"], image["page"] // 1024, image["lock"], image["status"],
               n_done, n_marked, n_lost, n_both, how, n_again)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        self.counts[f"{kind}: images"] += 1
        self.counts[f"{kind}: images with lost rows"] += n_lost > 0
        for key, n in (("rows written", n_done), ("rows marked", n_marked), ("rows lost", n_lost),
                       ("rows marked and lost", n_both)):
            self.counts[f"{kind}: {key}"] += n

    def finish_image(self, image, n_lost):
        """Other ranks, other threads, the same bits, and nothing left to do."""
        name, path = image["name"], self.dir / f"{image['name']}.hdf5"
        ranks, threads = self.choices.choice((None, 2, 3, 4)), self.choices.choice((1, 2))
        options = ["--repair"] if self.choices.random() < 0.25 else []
        self.write_job(name, JOB, threads=threads, max_batch=self.choices.choice((1, 8, 64)))
        code, output = runner.finish(self.start_run(name, ranks, options=options))
        found = re.search(r"(\d+) galaxies were lost|(\d+) of them are to be computed again", output)
        n_again = int(found[1] or found[2]) if found else 0
        if code != ALL_DONE:
            self.fault(f"{name}: continued with code {code}: {output}")
        else:
            got, reference = runner.read_bytes(path), self.reference
            differing = [key for key in reference if got.get(key) != reference[key]]
            if differing or set(got) != set(reference):
                self.fault(f"{name}: these datasets differ: {differing or set(got) ^ set(reference)}")
            if n_again < n_lost:
                self.fault(f"{name}: {n_lost} rows were lost, {n_again} of them were said to be: {output}")
            entries = Ledger(path).read()
            if not (entries["is_on_disk"] == 1).all():
                self.fault(f"{name}: {np.count_nonzero(entries['is_on_disk'] != 1)} rows are not marked in the end")
        self.remove(name)
        return f"{ranks or 1} x {threads}{' --repair' if options else ''}", n_again

    def remove(self, name):
        """All files of an image."""
        for path in self.dir.glob(f"{name}*"):
            if re.fullmatch(rf"{name}(\..*)?", path.name):
                path.unlink()

    # ---- the book --------------------------------------------------------------------------------------

    def run(self):
        """As many images as are wanted; whether all was well."""
        print(f"seed {self.args.seed}, {self.args.power_cuts} images, {N_GALAXY} galaxies\n\n| {' | '.join(HEADER)} |\n"
              f"|{'---|' * len(HEADER)}", flush=True)
        n_try = 0
        while self.i_image < self.args.power_cuts and n_try < 5 * self.args.power_cuts:
            n_wanted = self.args.power_cuts - self.i_image
            is_cut = self.library and self.counts["cut: images"] < self.counts["copy: images"]
            n_try += 1
            if is_cut:
                self.take_cuts(n_wanted)
            else:
                self.take_copies(n_wanted)
        print("\n" + "\n".join(f"{key}: {n}" for key, n in sorted(self.counts.items())))
        print(f"{self.i_image} images, {len(self.faults)} faults")
        return not self.faults and self.i_image >= self.args.power_cuts
