# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that this one plays: namespaces that nothing outside sees, and of which nothing is left.

A test runs itself again in a sandbox: a process namespace, whose end ends everything, a network of its own, so that
the usual ports are free, and a /dev/shm of its own. A machine in it is what has the same host name (UTS namespace), with its own /etc/hosts and
/dev/shm (in which ranks of two machines would meet); to kill all of that is a power cut.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

SKIPPED = 77  # exit code that Meson takes for "skipped"
MARK = "POLYPHONY_SANDBOX"
SANDBOX = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc", "--"]
# SLURM resolves names only where there is an address besides loopback's.
NETWORK = ("ip link set lo up && ip link add net0 type veth peer name net1 && ip addr add 10.98.0.1/24 dev net0 && "
           "ip link set net0 up")
# The first process adopts orphans and must reap them: a shell that waits does. Open MPI names its files by process and
# host, and both names occur again in the next sandbox: nobody else may see them.
INIT = NETWORK + """ && mount -t tmpfs tmpfs /dev/shm && mpi=$(mktemp -d /tmp/ps-XXXXXX) || exit 1
export OMPI_MCA_orte_tmpdir_base="$mpi"
"$@"
code=$?
rm -rf "$mpi"
exit $code"""
MACHINE_INIT = """\
hostname "$1" && mount -t tmpfs tmpfs /dev/shm && mount --bind "$2" /etc/hosts && ip link set lo up || exit 1
exec sleep infinity
"""


def skip(reason):
    """End the test as skipped."""
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def enter_sandbox(programs, packages):
    """Run this test again in a sandbox, or skip it if these programs are missing; returns in there."""
    if os.environ.get(MARK):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return
    if os.geteuid() != 0:
        skip("namespaces need root")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in (*programs, "unshare", "nsenter", "ip") if not shutil.which(name, path=path)]
    if missing:
        skip(f"not installed: {', '.join(missing)} (Debian: {packages} iproute2 util-linux)")
    tried = subprocess.run([*SANDBOX, "bash", "-c", NETWORK], capture_output=True, text=True, check=False)
    if tried.returncode:
        skip(f"namespaces are not allowed here: {tried.stderr.strip()}")
    sys.stdout.flush()
    os.execvpe("unshare", [*SANDBOX, "bash", "-c", INIT, "init", sys.executable, *sys.argv],
               os.environ | {MARK: "1", "PATH": path})


def wait_until(condition, timeout_s, what):
    """Poll until condition() is true; its value. what: text, or a function that makes one."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")


def write_hosts(path, addresses):
    """An /etc/hosts with these machines."""
    text = Path("/etc/hosts").read_text(encoding="utf-8")
    path.write_text(text + "".join(f"{address} {name}\n" for name, address in addresses.items()), encoding="utf-8")


class Machine:
    """One machine, running."""

    def __init__(self, name, hosts, own_network=False):
        self.name = name
        self.process = subprocess.Popen(["unshare", "--mount", "--uts", *(["--net"] if own_network else []), "--",
                                         "bash", "-c", MACHINE_INIT, "init", name, str(hosts)])
        # The last thing it does is to become another program.
        wait_until(lambda: Path(f"/proc/{self.process.pid}/comm").read_text(encoding="ascii") == "sleep\n", 10,
                   f"machine {name} does not start")
        self.uts = os.readlink(f"/proc/{self.process.pid}/ns/uts")

    def enter(self):
        """Words before a command that is to run in there."""
        return ["nsenter", f"--target={self.process.pid}", "--mount", "--uts", "--net", "--"]

    def call(self, *command):
        """Run a command in there; its output."""
        done = subprocess.run([*self.enter(), *map(str, command)], text=True, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        if done.returncode:
            raise AssertionError(f"{command} on {self.name}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def list_processes(self, pattern=""):
        """Ids of all processes in there whose command line fits."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if os.readlink(directory / "ns/uts") == self.uts and re.search(pattern, words):
                    found.append(int(directory.name))
            except OSError:  # it has ended
                continue
        return sorted(found)

    def power_cut(self):
        """Kill everything in there."""
        found = self.list_processes()
        while found:  # again: those that were being born
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.poll()
            found = self.list_processes()
        self.process.wait()
