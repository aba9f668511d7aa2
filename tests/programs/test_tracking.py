"""The programs of docs/comparing.md that log to MLflow, with a stand-in for it."""

import contextlib
import re
import sys
import types
from pathlib import Path

import pytest
from pages import run_program
from places import DOCS

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")
PAGE = DOCS / "comparing.md"
if not PAGE.exists():
    pytest.skip("there is no docs/ beside these tests", allow_module_level=True)
PROGRAMS = {
    name: code
    for code in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    for name in re.findall(r"\A# (\w+)\.py\n", code)
}


@pytest.fixture
def logged(monkeypatch, tmp_path):
    """What a program logs. A metric must be a number, an artifact a file."""
    monkeypatch.chdir(tmp_path)
    out: dict = {"metrics": [], "params": {}, "artifacts": [], "runs": 0}

    @contextlib.contextmanager
    def start_run():
        out["runs"] += 1
        yield

    def log_metric(key, value, step=None):
        out["metrics"].append((key, float(value), step))

    def log_artifact(path):
        assert Path(path).stat().st_size > 0
        out["artifacts"].append(path)

    fake = types.ModuleType("mlflow")
    fake.start_run, fake.log_metric, fake.log_artifact = start_run, log_metric, log_artifact
    fake.log_params = out["params"].update
    fake.log_metrics = lambda values: [log_metric(*item) for item in values.items()]
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return out


def test_a_network(logged):
    run_program(PROGRAMS["track_network"])
    for name in ("loss", "val_loss"):
        assert [step for key, _, step in logged["metrics"] if key == name] == [1, 2, 3, 4, 5]
    assert logged["artifacts"] == ["network.safetensors"] and logged["runs"] == 1
    assert logged["params"] == {"layers": (4, 16, 1), "optimizer": "adam"}


@pytest.mark.slow("test_a_network logs, and test_a_card writes one")
def test_a_table(logged):
    run_program(PROGRAMS["track_table"])
    assert {key for key, _, _ in logged["metrics"]} == {"r2", "rmse", "mae"}
    assert logged["artifacts"] == ["hue.safetensors", "card.md"]
    assert logged["params"]["target"] == "hue"
