#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`polyphony topology`: the plan and its drawing for machines that are not here, and wrong arguments."""

import os
import re

import runner

EPYC_7542 = "Package:2 [NUMANode(memory=274877906944)] L3:8 Core:4 PU:2(indexes=2*64:1*2)"
EPYC_9654 = "Package:2 [NUMANode(memory=412316860416)] L3:12 Core:8 PU:2(indexes=2*192:1*2)"
USAGE, INPUT = 2, 3
WIDEST = 100  # columns of a drawing

# The environment of whoever runs the tests must not decide.
for name in ("OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "SLURM_CPUS_PER_TASK", "HWLOC_SYNTHETIC",
             "HWLOC_XMLFILE"):
    os.environ.pop(name, None)


def cells(output):
    """The cells of a drawing, core by core."""
    drawing = output.split("\n\n")[1].rsplit("\n  a number", 1)[0]
    return re.sub(r"Package.*|NUMA.*|L3 +\d+|cores|[\[\]]", " ", drawing).split()


class TopologyTest(runner.ProgramTest):
    """What the command prints."""

    def topology(self, *arguments, expected=0):
        return self.call("topology", *arguments, expected=expected)

    def refuse(self, code, arguments, *parts):
        output = self.topology(*arguments, expected=code)
        for part in parts:
            self.assertIn(part, output)

    def test_two_epyc_7542_with_the_dealer_among_eight_ranks(self):
        output = self.topology("--synthetic", EPYC_7542, "--ranks", 8, "--threads", 8)
        self.assertIn("64 cores (128 hardware threads), 2 packages, 2 NUMA nodes, 16 L3 domains", output)
        self.assertIn("rank 0  deals, on core 56 (cpu 56)\n", output)
        self.assertIn("rank 1  8 threads on cores 0-7 (cpus 0-7; 2 L3 domains, NUMA node 0)\n", output)
        self.assertIn("rank 7  8 threads on cores 24-31 (cpus 24-31; 2 L3 domains, NUMA node 0)\n", output)
        self.assertIn("    L3  0 [1 1 1 1]  L3  1 [1 1 1 1]  L3  2 [3 3 3 3]", output)
        self.assertIn("L3 14 [d . . .]  L3 15 [. . . .]", output)
        self.assertNotIn("warning", output)

    def test_two_epyc_7542_with_eight_ranks_that_compute(self):
        output = self.topology("--synthetic", EPYC_7542, "--ranks", 9, "--threads", 8)
        drawn = cells(output)
        self.assertEqual(len(drawn), 64)
        for rank in range(1, 9):
            self.assertEqual(drawn.count(str(rank)), 8)
        self.assertIn("rank 0  deals, on an idle hardware thread of core 0 (cpu 64)\n", output)
        self.assertNotIn("warning", output)

    def test_the_default_gives_every_core_work(self):
        self.assertEqual(self.topology("--synthetic", EPYC_7542),
                         self.topology("--synthetic", EPYC_7542, "--ranks=9", "--threads=8"))
        for cores in (1, 2, 7, 12, 14, 36, 48, 96):
            drawn = cells(self.topology("--synthetic", f"Package:1 L3:1 Core:{cores} PU:1"))
            self.assertEqual(len(drawn), cores)
            self.assertTrue(all(cell.isdigit() for cell in drawn), drawn)

    def test_large_machines_are_drawn_in_a_hundred_columns(self):
        for machine in (EPYC_9654, "Package:2 L3:1 Core:96 PU:1", "PU:500"):
            for ranks in ("25", "150"):
                output = self.topology("--synthetic", machine, "--ranks", ranks, "--threads=1")
                head = output.split("\n\nrank")[0].split("\n", 1)[1]
                self.assertLessEqual(max(map(len, head.splitlines())), WIDEST)
                found = {int(cell) for cell in cells(output) if cell.isdigit()}
                self.assertEqual(found, set(range(1, int(ranks))))

    def test_cores_that_are_withheld_are_marked(self):
        output = self.topology("--synthetic", EPYC_7542, "--cpus", "1-63:2", "--ranks", 2)
        self.assertIn("this job may use cpus 1,3,5,7,", output)
        drawn = cells(output)
        self.assertEqual(set(drawn[0::2]), {"x"})
        self.assertEqual(sorted(drawn[1::2]), sorted(["1"] * 8 + ["d"] + ["."] * 23))

    def test_too_many_threads_are_warned_of(self):
        output = self.topology("--synthetic", "Package:1 L3:2 Core:8 PU:1", "--ranks=4", "--threads=8")
        self.assertIn("rank 1  8 threads, not pinned: 24 threads on 16 cores\n", output)
        self.assertEqual(output.count("warning: threads share cores: 24 threads on 16 cores"), 1)
        self.assertEqual(set(cells(output)), {"~"})

    def test_this_machine_starts_from_the_cpus_of_the_process(self):
        cpu = max(os.sched_getaffinity(0))
        everywhere = self.topology("--ranks=1", "--threads=1")
        self.assertIn("rank 0  1 thread on core ", everywhere)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpu})
        try:
            output = self.topology("--threads=1")
        finally:
            os.sched_setaffinity(0, before)
        self.assertIn(f"(cpu {cpu})", output)

    def test_the_environment_counts_here_and_not_elsewhere(self):
        os.environ["OMP_NUM_THREADS"] = "3"
        try:
            here = self.topology("--ranks=1", "--threads=2")
            elsewhere = self.topology("--synthetic", EPYC_7542, "--ranks=1")
        finally:
            del os.environ["OMP_NUM_THREADS"]
        self.assertIn("warning: threads: 2 in the job file, OMP_NUM_THREADS=3, these disagree: the job file counts",
                      here)
        self.assertIn("rank 0  8 threads", elsewhere)

    def test_the_example_in_the_help_works(self):
        text = self.topology("--help")
        example = re.search(r'--ranks 9 --threads 8 --synthetic \\\s+"([^"]+)"', text)
        self.assertIsNotNone(example, text)
        self.assertEqual(example.group(1).replace("256GiB", str(256 * 2**30)), EPYC_7542)

    def test_wrong_arguments_are_a_usage_error(self):
        self.refuse(USAGE, ["--synthetic", "two sockets"], "'two sockets'", "'Package:2 L3:8 Core:4 PU:2'")
        self.refuse(USAGE, ["--synthetic", "Package:1000 Core:1000 PU:1"], "more than 8192 cpus")
        self.refuse(USAGE, ["--ranks", "0"], "--ranks: '0'", "from 1 to 8192")
        self.refuse(USAGE, ["--threads", "many"], "--threads: 'many'")
        self.refuse(USAGE, ["--threads=-1"], "--threads: '-1'")
        self.refuse(USAGE, ["--cpus", "8-"], "--cpus: '8-'", "0-7,64-71")
        self.refuse(USAGE, ["--synthetic", "PU:4", "--cpus", "4-7"], "none of '4-7'", "0-3")
        self.refuse(USAGE, ["--synthetic", "PU:4", "--xml", "a.xml"], "not both")
        self.refuse(USAGE, ["job.yaml"], "unexpected argument 'job.yaml'")

    def test_unreadable_files_are_an_input_error(self):
        self.refuse(INPUT, ["--xml", "none.xml"], "'none.xml' cannot be read: No such file")
        (self.dir / "wrong.xml").write_text("<job/>\n", encoding="utf-8")
        self.refuse(INPUT, ["--xml", "wrong.xml"], "wrong.xml", "lstopo --of xml")


if __name__ == "__main__":
    runner.main()
