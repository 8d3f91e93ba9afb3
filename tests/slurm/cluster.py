# SPDX-License-Identifier: GPL-3.0-or-later
"""A private SLURM of several nodes on this machine; see tests/hosts/sandbox.py for what a node is."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "hosts"))
from sandbox import Machine, wait_until, write_hosts  # noqa: E402

PROGRAMS = ("slurmctld", "slurmd", "munged", "srun", "sbatch")
PACKAGES = "slurm-wlm slurm-client munge"  # of Debian
FIRST_PORT = 6820  # of the nodes; slurmctld has 6817


class Cluster:
    """Nodes n1, n2, …, between start() and stop()."""

    def __init__(self, directory, n_node=3):
        self.dir = Path(directory)
        self.names = [f"n{i + 1}" for i in range(n_node)]
        self.nodes = {}  # name: Machine
        self.daemons = []
        inherited = {name: value for name, value in os.environ.items() if not re.match("S(LURM|BATCH)_", name)}
        self.environment = inherited | {
            "SLURM_CONF": str(self.dir / "slurm.conf"),
            # All nodes are this machine.
            "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_oob_tcp_if_include": "lo",
            # What killed ranks and scripts leave behind goes with our directory.
            "OMPI_MCA_orte_tmpdir_base": str(self.dir / "mpi"), "TMPDIR": str(self.dir / "mpi"),
        }

    # ---- daemons ------------------------------------------------------------------------------

    def write_files(self):
        """Directories, configuration, key and host names."""
        for name in ("state", "munge", "mpi", *(f"{kind}.{node}" for kind in ("spool", "tmp") for node in self.names)):
            (self.dir / name).mkdir(parents=True)
        values = {"DIR": str(self.dir), "HOST": os.uname().nodename.split(".")[0], "NODES": str(len(self.names)),
                  "PORTS": f"{FIRST_PORT}-{FIRST_PORT + len(self.names) - 1}"}
        text = (HERE / "cluster.conf.in").read_text(encoding="utf-8")
        (self.dir / "slurm.conf").write_text(re.sub("@([A-Z]+)@", lambda match: values[match[1]], text),
                                             encoding="utf-8")
        (self.dir / "munge/key").write_bytes(os.urandom(128))
        (self.dir / "munge/key").chmod(0o400)
        write_hosts(self.dir / "hosts", dict.fromkeys(self.names, "127.0.0.1"))

    def start(self):
        """All daemons; returns when all nodes are idle."""
        self.write_files()
        munge = self.dir / "munge"
        # --force: others need no way to the socket.
        self.daemons.append(self.spawn("munge.log", "munged", "--foreground", "--force", f"--key-file={munge}/key",
                                       f"--socket={munge}/socket", f"--pid-file={munge}/pid",
                                       f"--log-file={munge}/log", f"--seed-file={munge}/seed"))
        wait_until((munge / "socket").exists, 10, "munged has no socket")
        self.daemons.append(self.spawn("slurmctld.out", "slurmctld", "-D", "-f", str(self.dir / "slurm.conf")))
        for name in self.names:
            self.power_on(name)
        wait_until(lambda: self.count_idle() == len(self.names), 30, "the nodes of SLURM are not idle")

    def spawn(self, log, *command):
        """A daemon with its output in a file."""
        with open(self.dir / log, "ab") as file:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def stop(self):
        """Nodes with everything on them, then the daemons."""
        for name in list(self.nodes):
            self.power_cut(name)
        for daemon in self.daemons:
            daemon.kill()
            daemon.wait()
        self.daemons = []

    def power_on(self, name):
        """Start a node."""
        self.nodes[name] = Machine(name, self.dir / "hosts")
        self.start_slurmd(name)

    def power_cut(self, name):
        """Kill everything that runs on a node, at once."""
        self.nodes.pop(name).power_cut()

    def start_slurmd(self, name):
        """Start the daemon of a node, which has one core: nodes take turns in the cores there are."""
        cores = sorted(os.sched_getaffinity(0))
        core = cores[self.names.index(name) % len(cores)]
        self.nodes[name].call("taskset", "--cpu-list", core, "slurmd", "-f", self.dir / "slurm.conf", "-N", name)

    def kill_slurmd(self, name):
        """Kill the daemon of a node; what it started goes on."""
        os.kill(int((self.dir / f"slurmd.{name}.pid").read_text(encoding="ascii")), signal.SIGKILL)

    # ---- commands -----------------------------------------------------------------------------

    def call(self, *command, **options):
        """Output of a command of SLURM."""
        done = subprocess.run([str(part) for part in command], env=self.environment, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, **options)
        if done.returncode:
            raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def count_idle(self):
        """Nodes that are idle; 0 while slurmctld does not answer."""
        done = subprocess.run(["sinfo", "-h", "-t", "idle", "-o", "%D"], env=self.environment, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return int(done.stdout.strip() or 0)

    def submit(self, *arguments, cwd, **variables):
        """Number of a new job."""
        environment = self.environment | {name: str(value) for name, value in variables.items()}
        done = subprocess.run(["sbatch", "--parsable", *map(str, arguments)], cwd=cwd, env=environment, text=True,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        if done.returncode:
            raise AssertionError(f"sbatch {arguments}: {done.stdout}")
        return int(done.stdout)

    def show(self, job):
        """What SLURM says of a job, by key."""
        words = self.call("scontrol", "-o", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, job, states, timeout_s):
        """Until a job is in one of these states; what SLURM says then."""
        def reached():
            shown = self.show(job)
            return shown if shown["JobState"] in states else None
        return wait_until(reached, timeout_s, lambda: f"job {job} in {states}: {self.show(job)}")

