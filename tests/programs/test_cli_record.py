"""The record of a training: its JSON, and what a damaged one does to the commands that read it."""

import copy
import json

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_models import call, models_folder, unchanged_folder
from training_records import class_record, number_record, training_setup

from fastnn.cli import record as records
from fastnn.cli.record import TrainingRecord, TrainingSetup
from fastnn.files import ModelFileError
from fastnn.tabular import stored_model

RECORDS = {"n": number_record, "b": class_record}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models_folder(tmp_path_factory)


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    with unchanged_folder():
        yield lambda *arguments: call(capsys, *arguments)


@pytest.mark.parametrize("make", RECORDS.values())
def test_json_holds_the_record(make):
    content = json.loads(json.dumps(make().to_json()))
    found = TrainingRecord.from_json(content | {"of a later version": 1})
    assert found == make()
    assert json.dumps(found.to_json()) == json.dumps(content)


def test_the_json_is_flat():
    content = class_record().to_json()
    assert "model" not in content and content["folds"] == 2
    assert list(content)[-1] == "last_block" and content["last_block"] is None
    names = ["metric", "rows", "accuracy", "balanced_accuracy", "log_loss", "auc", "f1", "wrong"]
    assert [*content["scores"]] == [*names, "classes", "confusion", "baseline", "cost"]
    numbers = number_record().to_json()
    assert [*numbers["scores"]][:3] == ["metric", "rows", "rmse"] and "wrong" not in numbers[
        "scores"
    ]
    assert numbers["data_checks"] == [
        {"kind": "id", "column": "id", "text": "'id' numbers the rows."}
    ]


def test_older_records_lack_some_values():
    content = number_record().to_json()
    later = ["created", "time", "group", "weight", "tuning", "baselines", "score_errors"]
    for name in [*later, "last_block", "split", "oof_score", "score_drops", "drop_name"]:
        del content[name]
    record = TrainingRecord.from_json(content)
    assert (record.time, record.model.score_drops, record.score_errors) == (None, None, {})


def test_a_setup_does_not_read_the_results():
    content = number_record().to_json() | {"scores": "damaged"}
    assert TrainingSetup.from_json(content) == training_setup(test_rows=20, time="day", weight="w")
    with pytest.raises(ModelFileError, match="scores"):
        TrainingRecord.from_json(content)


def places(value, path=()):
    """Yield the path of each value in a JSON value."""
    items = enumerate(value) if isinstance(value, list) else value.items()
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (list, dict)):
            yield from places(item, (*path, key))


def damaged(content):
    """Yield copies of a JSON object that each lack a value, or have another in its place."""
    for *path, last in places(content):
        for value in (..., None, "x", -1, 10**400, float("nan"), [1], {"x": 1}):
            other = copy.deepcopy(content)
            part = other
            for key in path:
                part = part[key]
            if value is ...:
                del part[last]
            else:
                part[last] = value
            yield other


@pytest.mark.parametrize("target", RECORDS)
def test_any_damage_is_found_or_does_no_harm(target, run, monkeypatch):
    """Nothing in a record makes a command fail."""
    model, path = stored_model.load(f"{target}.safetensors"), f"{target}.safetensors"
    monkeypatch.setattr("fastnn.cli.info.load_model", lambda path: model)
    n_found = n_harmless = 0
    for content in damaged(RECORDS[target]().to_json()):
        model.metadata_ = {records.KEY: json.dumps(content)}
        code, out, errors = run("info", path)
        assert (code, errors) == (0, ""), content
        is_damaged = "the record is damaged" in out
        code, _, errors = run("info", path, "--card")
        assert (code, errors.count("\n")) == ((2, 1) if is_damaged else (0, 0)), content
        n_found, n_harmless = n_found + is_damaged, n_harmless + (not is_damaged)
    assert n_found > 300 and n_harmless > 20


def test_options_of_a_damaged_setup_are_not_used(run, monkeypatch):
    content = training_setup(reading={"decimal": ","}).to_json()
    model = stored_model.load("n.safetensors")
    model.metadata_ = {records.KEY: json.dumps(content)}
    assert records.read_setup(model).reading == {"decimal": ","}
    for reading in ({"decimal": 5}, {"na": "x"}, {"na": [1]}, {"header": 0}, 1):
        model.metadata_ = {records.KEY: json.dumps(content | {"reading": reading})}
        assert records.read_setup(model) is None


def test_a_record_has_few_notes_of_a_wide_table():
    record = number_record(notes=[f"column {i}" for i in range(3000)])
    notes = json.loads(record.to_metadata()[records.KEY])["notes"]
    assert len(notes) == 101 and notes[0] == "column 0"
    assert notes[-1] == "2,900 more notes, which were printed"
