#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a job at random, continue it, and compare with the run that nobody disturbed, bit by bit.

    tests/crash/campaign.py build/polyphony --kills 120

A story is a job that is killed one to four times and continued each time, with other numbers of ranks and threads, then
left alone until it is complete. After every kill `polyphony status` must read the file and `polyphony verify` find no
row that is wrong; at the end all rows must have the reference's bits and nothing may be left behind. Prints a row for
every kill and a summary; the same --seed draws the same kills again (where they hit depends on the machine).

With --power-cuts there are torn files instead of kills: see power.py.

With --survive jobs run through scripts/launch.sh, workers are killed while they compute, and the run itself must come
to its end.

Exit codes: 0 all as it should be, 1 not, 2 usage.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import power
from ground import JOB, N_GALAXY, CrashTest, Ledger, find_ranks, is_alive, kill, runner, wait_until

ROW_S = 0.02  # longer than computing takes: rows are written all the time
ENDS_WITHIN_S = 60  # a killed job is gone after some 2 s; ten people may share the machine
KILLS_A_STORY = 4
MOST_BUSY = 200  # times that ranks of the run before are waited for
SURVIVE_S = 2  # silence after which a worker is lost
ALL_DONE, SOME_ASIDE, BAD_OUTPUT, STOPPED = 0, 1, 5, 4
VANISHES = {"SIGKILL", "SIGSTOP+SIGKILL"}
METHODS = {"direct": 2, "fast": 1}  # one galaxy in hand, or a group of them

PHASES = {"start-up": 3, "layout": 3, "computing": 8, "closing": 2}
VICTIMS = {"worker": 6, "dealer": 3, "mpirun": 3, "two workers": 1, "all ranks": 1, "everything": 2}
SIGNALS = {"SIGKILL": 6, "SIGSEGV": 1, "SIGTERM": 1, "SIGSTOP+SIGKILL": 1}
HEADER = ("kill", "story", "method", "ranks", "threads", "phase", "rows done", "victim", "signal", "exit code",
          "ended after s", "then")


def draw(choices, weights):
    """One of the keys, by weight."""
    return choices.choices(list(weights), list(weights.values()))[0]


@dataclass
class Blow:
    """One kill: what was meant, and what happened."""

    phase: str
    victim: str
    signal: str
    moment: float  # 0 to 1, inside the phase
    ranks: int
    threads: int
    n_done: int = 0
    code: int = 0
    seconds: float = 0.0
    pids: list = field(default_factory=list)


@dataclass
class Story:
    """One results file from its first run to its last."""

    name: str
    method: str = "direct"
    n_crash: int = 0
    n_vanish: int = 0
    pids: set = field(default_factory=set)


class Campaign(CrashTest):
    """Draws, strikes, checks, and keeps the book."""

    def __init__(self, args):
        super().__init__()
        self.args, self.choices = args, random.Random(args.seed)
        self.faults, self.blows, self.n_kill, self.n_missed, self.n_busy, self.n_hung = [], [], 0, 0, 0, 0
        self.write_job("fast-reference", JOB, max_batch=64)
        begin = time.monotonic()
        process = self.start_run("fast-reference", hold=self.hold("fast-reference", row_s=ROW_S))
        wait_until(Ledger(self.dir / "fast-reference.hdf5").count_done, process)
        self.start_s = time.monotonic() - begin  # until the first galaxy is done
        assert runner.finish(process)[0] == ALL_DONE
        self.references = {"direct": self.reference, "fast": runner.read_bytes(self.dir / "fast-reference.hdf5")}

    def fault(self, text):
        """Something is not as it should be."""
        self.faults.append(text)
        print(f"FAULT: {text}", flush=True)

    # ---- striking --------------------------------------------------------------------------------------

    def draw_blow(self):
        """What to do to the next run."""
        choices = self.choices
        if self.args.survive:
            return Blow("computing", "worker", draw(choices, {"SIGKILL": 3, "SIGSEGV": 1, "SIGSTOP+SIGKILL": 1}),
                        choices.random() * 0.8, choices.choice((3, 4, 5)), 1)
        victim = draw(choices, VICTIMS)
        number = draw(choices, SIGNALS) if victim in ("worker", "dealer") else draw(
            choices, {"SIGKILL": 3, "SIGTERM": 1}) if victim == "mpirun" else "SIGKILL"
        return Blow(draw(choices, PHASES), victim, number, choices.random(), choices.choice((3, 3, 4, 5)),
                    choices.choice((1, 1, 2)))

    def start(self, story, ranks, threads):
        """The run command of a story; one rank without mpirun."""
        self.write_job(story.name, JOB, method=story.method, max_batch=self.choices.choice((2, 8, 64)), threads=threads)
        return self.start_run(story.name, ranks if ranks > 1 else None, SURVIVE_S if self.args.survive else None,
                              hold=self.hold(story.name, row_s=ROW_S))

    def await_moment(self, blow, ledger, process, path):
        """Until the moment of a blow; False if the run ended before."""
        n_begin = ledger.count_done()
        if blow.phase == "layout" and not path.exists():
            found = wait_until(Path(f"{path}.partial").exists, process)
            time.sleep(blow.moment * 0.002)  # laying out takes some ms
        elif blow.phase in ("start-up", "layout"):
            found = True
            time.sleep(blow.moment * self.start_s)
        elif blow.phase == "computing":
            n_wanted = n_begin + 1 + int(blow.moment * (N_GALAXY - n_begin - 1))
            found = wait_until(lambda: ledger.count_done() >= n_wanted, process)
        else:
            found = wait_until(lambda: ledger.count_done() == N_GALAXY, process)
            time.sleep(blow.moment * 0.2)  # summary, trace and finalising
        blow.n_done = ledger.count_done()
        blow.phase = self.name_phase(blow.n_done, n_begin, path)
        return found and process.poll() is None

    @staticmethod
    def name_phase(n_done, n_begin, path):
        """Where a run is, from outside."""
        if n_done == N_GALAXY:
            return "closing"
        if n_done > n_begin:
            return "computing"
        return "layout" if Path(f"{path}.partial").exists() else "start-up"

    def choose_pids(self, blow, process):
        """The victims; mpirun if there are no ranks yet."""
        mpirun, ranks = find_ranks(process.pid)
        if not ranks:
            blow.victim, blow.signal = "mpirun", "SIGKILL"
            return [process.pid], [process.pid]
        workers = [ranks[rank] for rank in sorted(ranks) if rank > 0]
        everyone = [mpirun, *ranks.values()]
        chosen = {"dealer": [ranks.get(0, mpirun)], "mpirun": [mpirun], "all ranks": list(ranks.values()),
                  "everything": everyone, "two workers": self.choices.sample(workers, min(2, len(workers))),
                  "worker": [self.choices.choice(workers or everyone)]}[blow.victim]
        return chosen, everyone

    def strike(self, blow, process):
        """Send the signals; all pids of the run."""
        chosen, everyone = self.choose_pids(blow, process)
        if blow.signal == "SIGSTOP+SIGKILL":
            for pid in chosen:
                kill(pid, signal.SIGSTOP)
            time.sleep(0.3)
        number = signal.SIGKILL if "SIGKILL" in blow.signal else getattr(signal, blow.signal)
        for pid in chosen:
            kill(pid, number)
        return everyone

    def finish(self, process, ranks):
        """Exit code and output of a run that was hit. mpirun 4.1 hangs when a rank dies in its handshake: then, with no
        rank left, it is ended, and that is no fault of ours."""
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            if not any(map(is_alive, ranks)):
                self.n_hung += 1
                os.killpg(process.pid, signal.SIGKILL)
        return runner.finish(process, 1)

    def attempt(self, story, blow):
        """One run with its blow. Whether it hit; blow is None: no blow. Returns (hit, exit code, output)."""
        path = self.dir / f"{story.name}.hdf5"
        for _ in range(MOST_BUSY):
            alone = () if self.args.survive else (1,)
            ranks, threads = (blow.ranks, blow.threads) if blow else (self.choices.choice((*alone, 2, 3, 4)), 1)
            process = self.start(story, ranks, threads)
            hit = bool(blow) and self.await_moment(blow, Ledger(path), process, path)
            begin = time.monotonic()
            if hit:
                pids = self.strike(blow, process)
                story.pids.update(pids)
            code, output = self.finish(process, set(pids) - {process.pid}) if hit else runner.finish(process)
            if hit or code != BAD_OUTPUT or "another run" not in output:
                break
            self.n_busy += 1  # ranks of a killed mpirun live for about a second
            time.sleep(0.3)
        if hit and code == ALL_DONE and not self.args.survive:
            hit = False  # it was at its end when the signal came
        if hit:
            blow.code, blow.seconds = code, time.monotonic() - begin
            self.count_blame(story, blow)
        return hit, code, output

    @staticmethod
    def count_blame(story, blow):
        """What a run may hold against the galaxies its ranks had in hand: who dies first, and with what, is chance."""
        if blow.signal == "SIGSEGV":
            story.n_crash += 1
        elif blow.signal in VANISHES:
            story.n_vanish += 1

    # ---- checking --------------------------------------------------------------------------------------

    def check_after_blow(self, story, blow, n_before):
        """The file is readable, no row is wrong, and none that was done is lost."""
        path = self.dir / f"{story.name}.hdf5"
        if not path.exists():
            if blow.n_done:
                self.fault(f"{story.name}: the results file is gone after {blow.n_done} rows")
            return
        code, output = self.run_status(story.name)
        found = re.search(r"(\d+) galaxies: (\d+) done, (\d+) set aside, (\d+) left", output)
        if not found or code not in (ALL_DONE, SOME_ASIDE, STOPPED):
            self.fault(f"{story.name}: status ended with {code}: {output}")
        elif int(found[2]) < max(n_before, blow.n_done) - int(found[3]):
            self.fault(f"{story.name}: {found[2]} rows done, there were {max(n_before, blow.n_done)}")
        self.check_rows(story)

    def check_rows(self, story):
        """`polyphony verify` finds nothing."""
        code, output = runner.finish(runner.start([self.program, "verify", f"{story.name}.hdf5"], cwd=self.dir))
        if code != ALL_DONE:
            self.fault(f"{story.name}: verify ended with {code}: {output}")

    def check_end(self, story, code, output):
        """All rows, all bits."""
        if code == SOME_ASIDE and (story.n_crash >= 2 or story.n_vanish >= 3):
            # The signals fell on the same galaxy often enough for it to be blamed: then this is right.
            print(f"      {story.name}: a galaxy was blamed and set aside; tried again", flush=True)
            code, output = runner.finish(runner.start([self.program, "run", "--retry-failed", f"{story.name}.yaml"],
                                                      cwd=self.dir))
        if code != ALL_DONE:
            self.fault(f"{story.name}: the last run ended with {code}: {output}")
            return
        got, reference = runner.read_bytes(self.dir / f"{story.name}.hdf5"), self.references[story.method]
        differing = [key for key in reference if got.get(key) != reference[key]]
        if differing or set(got) != set(reference):
            self.fault(f"{story.name}: these datasets differ: {differing or set(got) ^ set(reference)}")
        self.check_rows(story)
        self.check_left_behind(story)

    def check_left_behind(self, story):
        """Processes, files beside the results, and shared memory."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while any(is_alive(pid) for pid in story.pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in filter(is_alive, story.pids):
            self.fault(f"{story.name}: process {pid} is still there")
            kill(pid, signal.SIGKILL)
        kept = re.compile(rf"{story.name}(\.yaml|\.hdf5|\.hdf5\.status\.json|\.trace(\.\d+)?\.hdf5)")
        for path in self.dir.glob(f"{story.name}.*"):
            if not kept.fullmatch(path.name):
                self.fault(f"{story.name}: '{path.name}' was left behind")
            path.unlink()
        for path in Path("/dev/shm").iterdir():
            owner = re.search(r"polyphony-(\d+)-", path.name)
            if (owner and int(owner[1]) in story.pids) or f"OMPIO_{story.name}." in path.name:
                if path.stat().st_blocks and owner:
                    self.fault(f"{story.name}: '{path}' holds {path.stat().st_blocks * 512} bytes")
                path.unlink()
        self.clean_mpi()

    def check_survived(self, story, blow):
        """With --survive, the run that lost a worker has done everything."""
        state = json.loads((self.dir / f"{story.name}.hdf5.status.json").read_text(encoding="utf-8"))
        if blow.code != ALL_DONE or state["state"] != "done" or state["n_left"]:
            self.fault(f"{story.name}: a worker was killed, the run ended with {blow.code}: {state}")
        elif state["n_lost"] != 1 and blow.n_done < N_GALAXY - 10:
            self.fault(f"{story.name}: one worker was killed, status.json has n_lost {state['n_lost']}")

    # ---- the book --------------------------------------------------------------------------------------

    def record(self, story, blow):
        """A row of the table."""
        self.blows.append(blow)
        done = Ledger(self.dir / f"{story.name}.hdf5").count_done()
        row = (self.n_kill, story.name, story.method, blow.ranks, blow.threads, blow.phase, blow.n_done, blow.victim, blow.signal,
               blow.code, f"{blow.seconds:.1f}", f"{done} of {N_GALAXY} in the file")
        print(f"| {' | '.join(map(str, row))} |", flush=True)

    def tell(self, story):
        """A job from its first run to its end."""
        hit, code, output = True, None, ""
        n_blow = min(self.choices.randint(1, 1 if self.args.survive else KILLS_A_STORY), self.args.kills - self.n_kill)
        for _ in range(n_blow):
            blow = self.draw_blow()
            n_before = Ledger(self.dir / f"{story.name}.hdf5").count_done()
            hit, code, output = self.attempt(story, blow)
            if not hit:
                self.n_missed += 1
                break
            self.n_kill += 1
            self.record(story, blow)
            self.check_after_blow(story, blow, n_before)
            if self.args.survive:
                self.check_survived(story, blow)
            if self.choices.random() < 0.5:  # the others continue while ranks of the killed run may be alive
                wait_until(lambda: not any(map(is_alive, story.pids)), seconds=ENDS_WITHIN_S)
        if hit or self.choices.random() < 0.5:  # what mpirun ends with after a kill means nothing
            _, code, output = self.attempt(story, None)
        self.check_end(story, code, output)

    def run(self):
        """Stories until there were enough kills; whether all was well."""
        print(f"seed {self.args.seed}, {self.args.kills} kills, {N_GALAXY} galaxies\n\n| {' | '.join(HEADER)} |\n"
              f"|{'---|' * len(HEADER)}", flush=True)
        i_story = 0
        while self.n_kill < self.args.kills and i_story < 5 * self.args.kills:
            story = Story(f"story{i_story}", "direct" if self.args.survive else draw(self.choices, METHODS))
            try:
                self.tell(story)
            except AssertionError as error:  # a hang, from runner.finish()
                self.fault(f"{story.name}: {error}")
                self.check_left_behind(story)
            i_story += 1
        by_phase = Counter(blow.phase for blow in self.blows)
        longest = max((blow.seconds for blow in self.blows), default=0)
        print(f"\n{self.n_kill} kills in {i_story} stories ("
              f"{', '.join(f'{n} in {phase}' for phase, n in by_phase.most_common())}), ended after {longest:.1f} s at "
              f"most; {self.n_missed} came too late; {self.n_busy} times ranks of the killed run still held the lock; "
              f"{self.n_hung} times mpirun hung without any; "
              f"{len(self.faults)} faults")
        return not self.faults and self.n_kill == self.args.kills


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="polyphony")
    parser.add_argument("--kills", type=int, default=12, metavar="N", help="(default: %(default)s, about a minute)")
    parser.add_argument("--power-cuts", type=int, metavar="N",
                        help="continue N files that a power cut, or copying while they were written, has torn")
    parser.add_argument("--seed", type=int, help="of what is drawn (default: another each time; printed)")
    parser.add_argument("--survive", action="store_true", help="kill workers of runs that survive it")
    parser.add_argument("--keep", action="store_true", help="keep the directory, whose name is then printed")
    args = parser.parse_args()
    if not os.access(args.program, os.X_OK) or args.program.is_dir():
        parser.error(f"'{args.program}' is no program")
    if args.kills < 1:
        parser.error("--kills must be at least 1")
    if args.power_cuts is not None and args.power_cuts < 1:
        parser.error("--power-cuts must be at least 1")
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10**6)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing behind
    runner.ProgramTest.program = args.program.resolve()
    kind = power.PowerCuts if args.power_cuts else Campaign
    kind.setUpClass()
    try:
        ok = kind(args).run()
    finally:
        if args.keep:
            kept = f"{kind.dir}-kept"
            shutil.copytree(kind.dir, kept)
            print(f"kept: {kept}")
        kind.tearDownClass()
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
