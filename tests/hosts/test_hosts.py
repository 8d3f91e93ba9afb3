#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One job on three hosts over TCP: the same bits as on one, also when ranks or a whole host are lost.

The hosts are namespaces of this machine, see sandbox.py.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import sandbox
from steady import N_GALAXY, SteadyTest, runner

N_HOST = 3
N_RANK = 2 * N_HOST  # one deals
N_ROW = 2  # of each worker; then all of them stand still, and something happens
SILENCE_S = 10  # after which a rank counts as lost, as by default: six ranks share the cores, perhaps with others
LONGEST_S = 180  # a hang
RSH = """\
#!/bin/bash
# Open MPI's rsh: run a command on a host.
host=$1
shift
exec nsenter --target="$(cat "{dir}/$host.pid")" --mount --uts --net -- bash -c "$*"
"""


class Hosts:
    """Hosts h1, h2, … on one bridge; h1 is where mpirun runs."""

    def __init__(self, directory):
        self.dir = directory
        self.machines = {}
        self.addresses = {f"h{i + 1}": f"10.99.0.{i + 1}" for i in range(N_HOST)}
        sandbox.write_hosts(self.dir / "hosts", self.addresses)
        (self.dir / "hostfile").write_text("".join(f"{name} slots=2\n" for name in self.addresses), encoding="utf-8")
        (self.dir / "rsh").write_text(RSH.format(dir=self.dir), encoding="utf-8")
        (self.dir / "rsh").chmod(0o755)
        subprocess.run("ip link add bridge type bridge && ip link set bridge up", shell=True, check=True)
        for name in self.addresses:
            self.power_on(name)

    def power_on(self, name):
        """Start a host and plug it in."""
        machine = self.machines[name] = sandbox.Machine(name, self.dir / "hosts", own_network=True)
        # A host that was cut takes its end of the cable, and so all of it, with it; not at once.
        sandbox.wait_until(lambda: not Path(f"/sys/class/net/port-{name}").exists(), 10, f"the old cable of {name}")
        # The same hardware address after a restart: the others remember it.
        address = f"02:00:00:00:00:{list(self.addresses).index(name) + 1:02x}"
        for command in (f"link add port-{name} type veth peer name net0 address {address} netns {machine.process.pid}",
                        f"link set port-{name} master bridge up"):
            subprocess.run(["ip", *command.split()], check=True)
        machine.call("ip", "addr", "add", f"{self.addresses[name]}/24", "dev", "net0")
        machine.call("ip", "link", "set", "net0", "up")
        (self.dir / f"{name}.pid").write_text(str(machine.process.pid), encoding="ascii")

    def power_cut(self, name):
        """Kill a host."""
        self.machines.pop(name).power_cut()

    def mpi_options(self):
        """For mpirun on h1: all hosts, two ranks each."""
        options = [word for name in ("LD_PRELOAD", "HOLD_PATH", "HOLD_ROW_S", "HOLD_AFTER", "HOLD_UNTIL") for word in ("-x", name)]
        options += ["-n", str(N_RANK), "--hostfile", f"{self.dir}/hostfile", "--map-by", "slot", "--bind-to", "none"]
        for key, value in (("plm", "rsh"), ("plm_rsh_agent", f"{self.dir}/rsh"), ("plm_rsh_no_tree_spawn", "1"),
                           ("btl_tcp_if_include", "net0"), ("oob_tcp_if_include", "net0"),
                           ("orte_tmpdir_base", str(self.dir))):
            options += ["--mca", key, value]
        return options

    def start(self, *command, cwd, variables):
        """Run a command on h1, with these variables besides."""
        words = " ".join(f"'{word}'" for word in map(str, command))
        # Sourced with a host file set, env.sh does not restrict Open MPI to loopback.
        script = (f"cd '{cwd}' && export OMPI_MCA_orte_default_hostfile='{self.dir}/hostfile' LAUNCH_GRACE_S=2 && "
                  f"exec {words}")
        return subprocess.Popen([*self.machines["h1"].enter(), "bash", "-c", script], text=True, start_new_session=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=os.environ | variables)


class HostsTest(SteadyTest):
    """Each test runs the same galaxies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.dir / "net").mkdir()
        cls.hosts = Hosts(cls.dir / "net")

    def start(self, launcher, *options, name, n_row=N_ROW):
        """The program on all hosts, and what holds it."""
        hold = self.hold(name, n_row)
        process = self.hosts.start(*launcher, self.program, "run", *options, self.write_steady(name), cwd=self.dir,
                                   variables=hold.variables)
        self.addCleanup(self.end, process)
        return process, hold

    def start_plainly(self, name, **options):
        """By mpirun."""
        return self.start(["mpirun", "--allow-run-as-root", *self.hosts.mpi_options()], name=name, **options)

    def start_surviving(self, name):
        """So that it outlives lost ranks."""
        launcher = [runner.ROOT / "scripts/launch.sh", *self.hosts.mpi_options(), "--"]
        return self.start(launcher, f"--survive={SILENCE_S}", name=name)

    @staticmethod
    def end(process):
        """Nothing is left of a test that failed."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def wait_for_middle(self, process, hold):
        """Until all workers stand still, with a quarter of the galaxies done."""
        def is_there():
            self.assertIsNone(process.poll(), "the run ended before it was hit")
            return len(hold.list_held()) == N_RANK - 1
        sandbox.wait_until(is_there, LONGEST_S, lambda: f"{N_RANK - 1} workers that stand still: {hold.list_held()}")

    def launch_and_hit(self, name, hit):
        """A run by launch.sh that must survive hit()."""
        process, hold = self.start_surviving(name)
        self.wait_for_middle(process, hold)
        hit()
        hold.release()
        code, output = runner.finish(process, LONGEST_S)
        self.assertEqual(code, 0, output)
        self.expect_reference(name)
        return self.read_state(name), output

    def expect_lost(self, n_lost, state, output):
        """So many ranks were lost. One that was only late, on a machine that stood still, says so itself."""
        silent = set(re.findall(r"rank (\d+) has been silent", output))
        late = set(re.findall(r"rank (\d+) was silent for too long", output))
        self.assertEqual((state["state"], state["n_lost"]), ("done", len(silent)), output)
        self.assertEqual(len(silent - late), n_lost, output)

    def test_three_hosts_are_one_machine(self):
        """Two ranks each; nothing is lost."""
        process, hold = self.start_plainly("three")
        self.wait_for_middle(process, hold)
        for name, machine in self.hosts.machines.items():
            self.assertEqual(len(machine.list_processes(f"^{self.program} run")), 2, f"ranks on {name}")
        hold.release()
        code, output = runner.finish(process, LONGEST_S)
        self.assertEqual(code, 0, output)
        self.expect_reference("three")

    def test_the_loss_of_a_rank_on_another_host_is_survived(self):
        """kill -9."""
        def kill_rank():
            os.kill(self.hosts.machines["h3"].list_processes(f"^{self.program} run")[0], signal.SIGKILL)
        state, output = self.launch_and_hit("rank", kill_rank)
        self.expect_lost(1, state, output)

    def test_the_loss_of_a_host_is_survived(self):
        """A power cut takes two ranks and Open MPI's daemon."""
        self.addCleanup(self.hosts.power_on, "h2")
        state, output = self.launch_and_hit("host", lambda: self.hosts.power_cut("h2"))
        self.expect_lost(2, state, output)

    def test_the_loss_of_the_first_host_is_continued(self):
        """Nobody is left to deal; the next run goes on from the file."""
        process, hold = self.start_surviving("first")
        self.wait_for_middle(process, hold)
        self.hosts.power_cut("h1")
        hold.release()
        process.communicate(timeout=LONGEST_S)
        self.hosts.power_on("h1")
        for name in ("h2", "h3"):  # workers without a dealer end by themselves
            sandbox.wait_until(lambda name=name: not self.hosts.machines[name].list_processes(f"^{self.program} run"),
                               LONGEST_S, f"ranks on {name} go on")
        process, _ = self.start_plainly("first", n_row=N_GALAXY)
        code, output = runner.finish(process, LONGEST_S)
        self.assertEqual(code, 0, output)
        self.expect_reference("first")


if __name__ == "__main__":
    sandbox.enter_sandbox(["mpirun"], "openmpi-bin")
    runner.main()
