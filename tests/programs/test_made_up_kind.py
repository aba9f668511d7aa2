"""A kind of column that the programs do not know, added by a row in the table of kinds, in all of them."""

import json
import math

import numpy as np
import processes
import pytest

pytestmark = pytest.mark.slow("test_tabular_kinds.py, of each kind")
for package in ("sklearn", "pyarrow", "matplotlib", "safetensors"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each program has printed or returned, and the page of --report."""
    folder = tmp_path_factory.mktemp("made_up_kind")
    code = "import os, sys; os.chdir(sys.argv[1]); import made_up_kind; made_up_kind.main()"
    ran = processes.run(code, folder, PYTHONWARNINGS="error", PYTHONIOENCODING="utf-8")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout) | {"report": (folder / "report.html").read_text("utf-8")}


def output(found, name, expected=0):
    """The output of a command."""
    code, out, error = found[name]
    assert code == expected, error
    return out


def test_train(found):
    assert "angles      wind, course\nnumbers     z\n" in output(found, "train")
    assert "is in both --angle and --number" in found["named twice"][2]
    assert "--angle names the column 'wind', which holds other texts" in found["other texts"][2]


def test_info_of_a_table(found):
    columns = json.loads(output(found, "info table"))["columns"]
    assert [each["kind"] for each in columns] == ["angle", "number", "number"]  # without --angle
    assert columns[0]["values"] == "0° to 358°, median 199°"


def test_info_and_card(found):
    described = json.loads(output(found, "info"))
    assert described["kinds"] == {"wind": "angle", "course": "angle", "z": "number"}
    assert "--angle course" in described["training"]["command"]
    assert "| wind | angle | 6.7 % | 0° to 358°, median" in output(found, "card")


def test_report(found):
    assert "<td>angle</td>" in found["report"] and "0° to 358°, median" in found["report"]
    assert "<strong>wind</strong>The mean is" in found["report"]  # the chart of its effect


def test_estimators_and_files(found):
    estimators = found["estimators"]
    assert estimators["columns"] == {"wind": "angle", "course": "angle", "z": "number"}
    assert estimators["is same"] and estimators["score"] > 0.9


def test_effects_are_in_degrees(found):
    values = found["estimators"]["effect"]
    assert len(values) == 40 and 0 <= values[0] < 5 and 350 < values[-1] < 359
    assert found["estimators"]["label"] == "wind"
    assert float(found["estimators"]["ticks"][0]) == pytest.approx(values[0], abs=0.5)


def test_predict_and_score(found):
    report = json.loads(output(found, "predict"))
    assert report["scores"]["r2"] > 0.9 and not report["drift"]["has_drift"]


def test_explain(found):
    [explained] = json.loads(output(found, "explain"))["explanations"]
    assert explained["values"]["wind"] == "306.0°" and explained["values"]["course"] == "59.0°"
    total = explained["base"] + sum(explained["contributions"].values())
    assert total == pytest.approx(explained["prediction"])


def test_check(found):
    changes = json.loads(output(found, "check", 1))["changes"]
    told = {(each["column"], each["kind"]): each for each in changes}
    assert told["wind", "type"]["what"] == "52 of 90 values are not angles such as 90°"
    assert told["wind", "distribution"]["new"] == "quartiles 1°, 3°, 5°"
    assert told["course", "range"]["new"] == "362° to 539°"
    assert "unit" not in told["course", "range"]["what"]


def test_compare(found):
    assert len(json.loads(output(found, "compare"))["models"]) == 2


@pytest.mark.parametrize("format", ["c", "onnx"])
def test_export(found, format):
    output(found, "export")
    if found["exported"][format] is None:
        pytest.skip("this machine cannot run the file")
    np.testing.assert_allclose(found["exported"][format], found["predictions"], rtol=0, atol=1e-5)


def test_serve(found):
    served = found["serve"]
    for name in ("model", "openapi", "predict"):
        assert served[name][0] == 200
    assert served["model"][1]["columns"]["wind"] == "angle"
    row = served["openapi"][1]["components"]["schemas"]["Row"]["properties"]
    assert row["wind"]["type"] == ["string", "number", "null"]
    assert served["predict"][1]["predictions"][0]["prediction"] == found["predictions"][0]
    assert "an angle such as 90°, or null" in served["page"]


def test_play(found):
    play = found["play"]
    wind = play["columns"]["wind"]
    assert (wind["kind"], wind["axis"]) == ("angle", "number")
    assert play["row"]["wind"] == pytest.approx(306) and play["row"]["course"] == pytest.approx(59)
    assert play["answer"]["prediction"] == pytest.approx(found["predictions"][0], abs=1e-6)
    assert play["nearest"]["distances"][0] == pytest.approx(0, abs=1e-9)
    assert all(math.isfinite(x) for x in play["nearest"]["distances"])
