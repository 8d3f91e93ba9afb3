#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of tests/README.md name cases that are there."""

import re
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CASE = {".c": "cmocka_unit_test(?:_setup_teardown)?\\({}[,)]", ".py": "def test_{}\\("}


def named_cases():
    """(file, case) of `file:case` and of the cases behind it in the same row."""
    for row in (TESTS / "README.md").read_text(encoding="utf-8").splitlines():
        path = None
        for file, case in re.findall(r"`(?:([\w/]+\.(?:c|py)):)?([a-z]\w*)`", row):
            path = file or path
            if path:
                yield path, case


class ReadmeTest(unittest.TestCase):
    def test_each_case_that_is_named_exists(self):
        cases = list(named_cases())
        self.assertGreater(len(cases), 100)
        for path, case in cases:
            source = (TESTS / path).read_text(encoding="utf-8")
            self.assertRegex(source, CASE[Path(path).suffix].format(case), f"{path} has no case {case}")


if __name__ == "__main__":
    unittest.main()
