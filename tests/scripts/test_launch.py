#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""launch.sh tells how a run ended, whatever mpirun says; a program made for that plays the run."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LONGEST_S = 60  # a hang; the slowest case takes 4 s
RESEND_S = 10
NEVER_S = 600  # longer than any test
STATUS = "out.hdf5.status.json"
# What the program does: --state and --code written at the end, then it ends with --rc or stays. Asked for the path of
# the results it says it, as polyphony does. --other: another run ends meanwhile and writes the same status file.
PLAYER = """\
#!/usr/bin/python3
import argparse, json, os, signal, sys, time
if "check" in sys.argv:
    sys.exit(print("out.hdf5") if sys.argv[-2:] == ["--output-path", "job.yaml"] else 2)
parser = argparse.ArgumentParser()
for name in ("--state", "--code", "--rc", "--reason", "--launch"):
    parser.add_argument(name)
for name in ("--stay", "--wait", "--silent", "--other"):
    parser.add_argument(name, action="store_true")
parser.add_argument("command")
parser.add_argument("job")
a = parser.parse_args()
def write(state, code, launch=a.launch or os.environ["POLYPHONY_LAUNCH"], pid=os.getpid()):
    with open("out.hdf5.status.json.tmp", "w") as file:
        json.dump({"host": "here", "pid": pid, "started_utc": "now", "state": state, "exit_code": code,
                   "reason": a.reason, "n_done": 3, "n_set_aside": 1, "largest_left_s": None, "results": "out.hdf5",
                   "launch": None if launch == "none" else launch}, file)
    os.rename("out.hdf5.status.json.tmp", "out.hdf5.status.json")
def stop(*_):
    write("stopped", 4)
    sys.exit(4)
if a.silent:
    sys.exit(int(a.rc))
signal.signal(signal.SIGUSR1, stop)
write("running", None)
if a.other:
    write("done", 0, "of-another", 1)
    time.sleep(4)
if a.wait:
    time.sleep(600)
if a.state:
    write(a.state, int(a.code))
if a.stay:
    time.sleep(600)
sys.exit(int(a.rc or 0))
"""


class LaunchTest(unittest.TestCase):
    """A directory for each test, with a job file and the program."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="polyphony-launch-")
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)
        (self.dir / "job.yaml").write_text("output: out.hdf5  # a comment\n", encoding="utf-8")
        self.player = self.dir / "player"
        self.player.write_text(PLAYER, encoding="utf-8")
        self.player.chmod(0o755)

    def start(self, *options):
        """launch.sh with the program under mpirun."""
        command = [SCRIPTS / "launch.sh", "-n", "1", "--", "env", "A=1", self.player, "run", *options, "job.yaml"]
        process = subprocess.Popen([str(part) for part in command], cwd=self.dir, text=True, start_new_session=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=os.environ | {"LAUNCH_GRACE_S": "1"})
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        """Nothing is left of a test that failed."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def launch(self, *options):
        """Exit code and output."""
        process = self.start(*options)
        output, _ = process.communicate(timeout=LONGEST_S)
        return process.returncode, output

    def wait_for_running(self):
        """Until the program has written its first state."""
        end = time.monotonic() + LONGEST_S
        while time.monotonic() < end:
            if (self.dir / STATUS).exists():
                return
            time.sleep(0.05)
        self.fail("the program did not begin")

    @staticmethod
    def signal_until_it_ends(process, number):
        """Its output. mpirun loses a signal that comes before it has noticed that its ranks have begun."""
        for _ in range(LONGEST_S // RESEND_S):
            process.send_signal(number)
            try:
                return process.communicate(timeout=RESEND_S)[0]
            except subprocess.TimeoutExpired:
                pass
        return process.communicate(timeout=RESEND_S)[0]

    def test_the_exit_code_is_that_of_the_run(self):
        """mpirun --enable-recovery always returns 0."""
        for state, code in (("done", 0), ("done", 1), ("failed", 5), ("stopped", 4)):
            with self.subTest(code):
                found, output = self.launch("--state", state, "--code", code, "--rc", code)
                self.assertEqual(found, code, output)

    def test_a_launcher_that_stays_after_the_end_is_ended(self):
        """As mpirun does after the loss of another host."""
        begin = time.monotonic()
        code, output = self.launch("--state", "done", "--code", 1, "--stay")
        self.assertEqual(code, 1, output)
        self.assertIn("SIGTERM", output)
        # Polls of 1 s and 0.5 s, a grace of 1 s, mpirun's own second, and a busy machine.
        self.assertLess(time.monotonic() - begin, 20)

    def test_a_run_killed_before_it_could_say_is_to_be_run_again(self):
        """Its status file says that it is running."""
        code, output = self.launch("--rc", 137)
        self.assertEqual(code, 4, output)
        self.assertIn("run again to continue", output)

    def test_the_status_file_of_an_earlier_run_says_nothing(self):
        """It was done; this one is killed, and the next does not even begin."""
        self.assertEqual(self.launch("--state", "done", "--code", 0)[0], 0)
        self.assertEqual(self.launch("--silent", "--rc", 0)[0], 6)
        self.assertEqual(self.launch("--rc", 137)[0], 4)

    def test_a_broken_status_file_is_none(self):
        """Not JSON, and JSON that is no object."""
        for text in ("{", "[1]", ""):
            (self.dir / STATUS).write_text(text, encoding="utf-8")
            self.assertEqual(self.launch("--silent", "--rc", 0)[0], 6)

    def test_a_run_that_does_not_know_its_launch_is_told_by_host_and_process(self):
        """Where the variable does not get through: still not the run before."""
        self.assertEqual(self.launch("--state", "done", "--code", 1, "--launch", "none")[0], 1)
        self.assertEqual(self.launch("--silent", "--rc", 0)[0], 6)

    def test_a_run_outlives_the_end_of_another_one(self):
        """Another run has written the status file: this one is not ended, and its own code counts. The other's word
        stays for four polls; a launcher that took it for its run's would send SIGTERM after the second."""
        code, output = self.launch("--other", "--state", "failed", "--code", 5, "--rc", 5)
        self.assertEqual(code, 5, output)
        self.assertNotIn("SIGTERM", output)
        self.assertEqual(self.launch("--rc", 0, "--launch", "of-another", "--state", "done", "--code", 0)[0], 6)

    def test_a_signal_to_the_launcher_stops_the_run(self):
        """SIGUSR1 as SLURM sends it, SIGINT as a person does."""
        for number in (signal.SIGUSR1, signal.SIGINT):
            with self.subTest(number):
                (self.dir / STATUS).unlink(missing_ok=True)
                process = self.start("--wait")
                self.wait_for_running()
                output = self.signal_until_it_ends(process, number)
                self.assertEqual(process.returncode, 4, output)
                state = json.loads((self.dir / STATUS).read_text(encoding="utf-8"))
                self.assertEqual(state["state"], "stopped")

    def test_sigterm_ends_at_once(self):
        """The program does not catch it."""
        process = self.start("--wait")
        self.wait_for_running()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=LONGEST_S)
        self.assertEqual(process.returncode, 4, output)

    def test_wrong_use_is_told(self):
        """No command, a job file that is not there."""
        for arguments in (["-n", "2"], ["-n", "2", "--", "program", "run", "missing.yaml"]):
            done = subprocess.run([SCRIPTS / "launch.sh", *arguments], cwd=self.dir, check=False, text=True,
                                  capture_output=True, timeout=LONGEST_S)
            self.assertEqual(done.returncode, 2)

    def test_a_job_that_the_program_refuses_is_not_started(self):
        """Its exit code, and no mpirun."""
        (self.dir / "other.yaml").write_text("", encoding="utf-8")
        command = [SCRIPTS / "launch.sh", "-n", "1", "--", self.player, "run", "other.yaml"]
        done = subprocess.run(command, cwd=self.dir, check=False, capture_output=True, timeout=LONGEST_S)
        self.assertEqual(done.returncode, 2)
        self.assertFalse((self.dir / STATUS).exists())

    def test_the_output_is_what_the_program_reads(self):
        """Each of these is YAML; none is read by a script."""
        for text, expected in (("output: a/b.hdf5", "a/b.hdf5"), ("output: a b.h5   # c", "a b.h5"),
                               ('output: "a #b.hdf5" # c', "a #b.hdf5"), ("output: 'q''s.hdf5'", "q's.hdf5"),
                               ("output: run#3", "run#3"), ("output : o.hdf5", "o.hdf5"), ("'output': o.h5", "o.h5"),
                               ("output: &o o.hdf5", "o.hdf5"), ("output: >-\n  o.hdf5", "o.hdf5"),
                               ('output: "o\\x2ehdf5"', "o.hdf5"), ("igm: none", "results.hdf5"),
                               ("output: link.hdf5", "far/away.hdf5")):
            (self.dir / "real.yaml").write_text(f"catalogue: c\ngrid: g\noperations: {{sfh: {{}}}}\n{text}\n",
                                                encoding="utf-8")
            if not (self.dir / "link.hdf5").is_symlink():
                (self.dir / "link.hdf5").symlink_to("far/away.hdf5")
            command = f'. "$0/launching.sh"; job_output env A=1 "{PROGRAM}" run --survive real.yaml'
            done = subprocess.run(["bash", "-c", command, SCRIPTS], cwd=self.dir, check=True, text=True,
                                  stdout=subprocess.PIPE)
            self.assertEqual(done.stdout, expected + "\n")
        (self.dir / "real.yaml").write_text('{"catalogue": "c", "grid": "g", "operations": {"sfh": {}},\n "output": "j"}',
                                            encoding="utf-8")
        done = subprocess.run([PROGRAM, "check", "--output-path", "real.yaml"], cwd=self.dir, check=True, text=True,
                              stdout=subprocess.PIPE)
        self.assertEqual(done.stdout, "j\n")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: test_launch.py PROGRAM [unittest arguments]")
    PROGRAM = Path(sys.argv.pop(1)).resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    unittest.main(verbosity=2)
