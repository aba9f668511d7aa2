"""The tables in docs/guarantees.md name tests and commands that exist."""

import ast
import re

import pytest
from places import ROOT, TESTS

PAGE, NOX = ROOT / "docs" / "guarantees.md", ROOT / "noxfile.py"
if not PAGE.exists() or not NOX.exists():
    pytest.skip("docs/ or noxfile.py are not beside these tests", allow_module_level=True)

ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| ") and "`" in line.split(" | ")[-1]
]
FOLDERS = [*TESTS.iterdir(), TESTS, ROOT / "bench", ROOT]


def functions(path):
    return {node.name for node in ast.parse(path.read_text("utf-8")).body if hasattr(node, "name")}


def sessions():
    """The sessions of noxfile.py, which cannot be imported without nox."""
    tree = ast.parse(NOX.read_text("utf-8"))
    tables = [node for node in tree.body if isinstance(node, ast.Assign)]
    table = next(n.value for n in tables if getattr(n.targets[0], "id", "") == "TESTS")
    return functions(NOX) | {key.value for key in table.keys}


def test_there_are_guarantees():
    assert len(ROWS) >= 20
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_tests_exist(row):
    names = re.findall(r"`([^`]+)`", row[2])
    assert names
    for name in names:
        file, _, function = name.partition("::")
        path = next((f / file for f in FOLDERS if (f / file).exists()), None)
        assert path, f"{file} does not exist"
        assert not function or function in functions(path), f"{name} does not exist"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_commands_exist(row):
    command = row[3].strip("`").split()
    if command[0] == "nox":
        assert command[1] == "-s" and command[2] in sessions(), f"no session {command[2]}"
    else:
        assert command[:3] == ["python", "-m", "pytest"]
        files = [word for word in command if word.endswith(".py")]
        assert files and all((ROOT / file).exists() for file in files)
