#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/plot_simulation.py: tables it draws, and tables it refuses."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from scripting import run_script  # noqa: E402

HEAD = "workers,mode,wall_s,bound_s,efficiency,rank_0_load,idle_tail_s\n"
ROW = "8,dynamic,2.5,2.4,0.96,0.01,0.1\n"
PNG = b"\x89PNG\r\n\x1a\n"
INPUT, OUTPUT = 3, 5


class PlotTest(unittest.TestCase):
    """A directory for the tables and pictures of all tests."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="polyphony-plot-")
        cls.dir = Path(cls.directory.name)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def plot(self, text, *arguments, expected=0):
        """Draw a table; what is said."""
        (self.dir / "table.csv").write_text(text, encoding="utf-8")
        return run_script("plot_simulation.py", "table.csv", *arguments, expected=expected, directory=self.dir)

    def test_a_table_of_any_modes_becomes_a_picture(self):
        rows = "".join(f"{n},{mode},{100 / n},{90 / n},0.9,0.0,0\n" for n in (1, 8, 4096)
                       for mode in ("static-block", "dynamic", "a-mode-to-come"))
        self.plot(HEAD + rows, "--output=picture.png", "--title=three modes")
        self.assertTrue((self.dir / "picture.png").read_bytes().startswith(PNG))

    def test_a_single_row_is_enough(self):
        self.plot(HEAD + ROW, "-o", "one.svg")
        self.assertIn("<svg", (self.dir / "one.svg").read_text(encoding="utf-8"))

    def test_tables_that_are_none_are_refused_with_the_place(self):
        for text, part in (("", "no column 'mode'"), ("a,b\n1,2\n", "no column 'mode'"), (HEAD, "has no rows"),
                           (HEAD + ROW + ROW.replace("2.4", "fast"), "line 3: bound_s 'fast'"),
                           (HEAD + ROW.replace("2.5", "nan"), "line 2: wall_s 'nan'"),
                           (HEAD + "8,dynamic\n", "line 2: wall_s 'None'"),
                           (HEAD + ROW.replace("8,", "0,"), "line 2: workers and wall_s must be above 0")):
            message = self.plot(text, expected=INPUT)
            self.assertIn("'table.csv'", message)
            self.assertIn(part, message)

    def test_a_picture_that_cannot_be_written_is_an_error(self):
        for name in ("nowhere/picture.png", "picture.of-no-kind"):
            self.assertIn(name, self.plot(HEAD + ROW, "-o", name, expected=OUTPUT))

    def test_a_missing_table_is_an_error(self):
        output = run_script("plot_simulation.py", "nowhere.csv", expected=INPUT, directory=self.dir)
        self.assertIn("'nowhere.csv'", output)


if __name__ == "__main__":
    # The program is given to every test of this suite; this one draws tables only.
    unittest.main(argv=sys.argv[:1] + [word for word in sys.argv[1:] if word.startswith("-")], verbosity=2)
