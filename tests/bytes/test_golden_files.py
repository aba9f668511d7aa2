"""Model files that earlier versions wrote, in tests/data/model_files: they load, and predict the same."""

import importlib.util
import json

import numpy as np
import pytest
from checks import assert_same_bits
from places import MODEL_FILES

import fastnn

pytest.importorskip("sklearn", reason="some of the files hold estimators")
pytest.importorskip("pandas", reason="some of the files hold estimators for tables")
spec = importlib.util.spec_from_file_location("make_golden_files", MODEL_FILES / "make.py")
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)

EXPECTED = json.loads(golden.EXPECTED.read_text(encoding="utf-8"))
WITHOUT_LIBM = ("network-1.safetensors", "networks-1.safetensors")  # the same bits on each machine


def test_every_file_has_predictions():
    assert {path.name for path in golden.FOLDER.glob("*.safetensors")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_predictions(name, isa):
    found = golden.predictions(golden.load(golden.FOLDER / name))
    assert found.keys() == EXPECTED[name].keys()
    for key, expected in EXPECTED[name].items():
        if name in WITHOUT_LIBM:
            assert_same_bits(found[key], expected)
        elif isinstance(expected[0], str):
            assert found[key] == expected
        else:
            np.testing.assert_allclose(found[key], expected, rtol=1e-5, atol=1e-6)


def test_the_training_state():
    net = fastnn.load(golden.FOLDER / "state-1.safetensors")
    state = net.state
    schedule = fastnn.schedules.ReduceOnPlateau(0.3, patience=0)
    assert state.optimizer == fastnn.SGD(schedule, clip_norm=1.0, average=0.9)
    assert (state.step, state.epoch, state.row, state.loss_sum) == (18, 3, 16, 1.25)
    assert (state.split_rows, state.split_held_out) == (60, 15)
    assert state.seed is not None and state.plateau is not None and state.best.epoch == 3
    assert state.params.shape == state.best.params.shape == (net.n_params,)
    options = dict(epochs=2, batch_size=8, resume=True, validation_fraction=0.25)
    history = net.fit(golden.ROWS, golden.ROWS[:, 0], "huber", **options)
    assert history.n_epochs == 2 and history.loss[-1] < 1


def test_the_attributes_of_estimators():
    clf = fastnn.load(golden.FOLDER / "classifier-1.safetensors")
    assert clf.classes_.tolist() == ["no", "perhaps", "yes"]
    assert clf.feature_names_in_.tolist() == ["a", "ä", "c"]
    assert clf.temperature_ != 1 and len(clf.loss_curve_) == 2 and clf.n_iter_ == 5
    assert clf.solver == fastnn.AdamW(lr=fastnn.schedules.CosineDecay(0.01, 9))
    assert isinstance(clf.random_state, np.random.RandomState)
    reg = fastnn.load(golden.FOLDER / "regressor-1.safetensors")
    assert reg.networks_[0].dtype == np.float32 and reg.n_estimators == 3
    reg.partial_fit(golden.ROWS, golden.ROWS[:, :2])


def test_the_attributes_of_estimators_for_tables():
    clf = fastnn.load(golden.FOLDER / "tabular_classifier-1.safetensors")
    assert clf.classes_.tolist() == ["high", "löw"] and clf.threshold == 0.4
    assert clf.metadata_ == {"place": "Zürich"}
    kinds = "number category number date number number".split()
    assert clf.columns_ == dict(zip(golden.table().columns, kinds))
    assert clf.left_out_ == {"same": "all values are equal"}
    reg = fastnn.load(golden.FOLDER / "tabular_regressor-1.safetensors")
    assert reg.log_target is True and reg.feature_importances_.shape == (7,)


def test_metadata():
    assert fastnn.load(golden.FOLDER / "network-1.safetensors").metadata == {"place": "Zürich"}
    nets = fastnn.load_many(golden.FOLDER / "networks-1.safetensors")
    assert [net.metadata for net in nets.values()] == [{}, {"place": "north"}, {}]
