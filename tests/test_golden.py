"""Some hundred trainings and predictions give the recorded bits: see golden.py."""

import importlib.util
import json
import pathlib

import pytest

SPEC = importlib.util.spec_from_file_location(
    "golden", pathlib.Path(__file__).with_name("golden.py")
)
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_numbers_are_those_on_record(isa, dtype, n_threads):
    recorded = json.loads(golden.FILE.read_text(encoding="utf-8"))[golden.rounding(isa)][dtype.name]
    found = {name: run() for name, run in golden.cases(dtype.name, n_threads)}
    assert [name for name in recorded if found.get(name) != recorded[name]] == []
    assert found.keys() == recorded.keys(), "record new cases: python tests/golden.py --write"
