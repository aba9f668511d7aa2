"""A trained table model in the playground: its answers are those of the model."""

import numpy as np
import pytest

import fastnn
from fastnn import TabularClassifier, TabularRegressor
from fastnn.playground.data_sets import PlayError
from fastnn.playground.explorer import Explorer

pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.usefixtures("quick_module")
N = 120
RNG = np.random.default_rng(0)
COLUMNS = dict(area=RNG.normal(80, 20, N), rooms=RNG.integers(1, 6, N))
COLUMNS["district"] = np.array(["north", "south", "harbour"])[RNG.integers(0, 3, N)].tolist()
COLUMNS["built"] = (np.datetime64("1990-01-01") + RNG.integers(0, 9000, N)).astype("datetime64[s]")
COLUMNS["empty"] = [None] * N
TABLE = pa.table(COLUMNS)
RENT = 9 * COLUMNS["area"] + 50 * COLUMNS["rooms"]
KIND = np.array(["cheap", "fair", "dear"])[np.digitize(RENT, [800, 950])]


@pytest.fixture(scope="module")
def explorers():
    options = dict(n_estimators=2, hidden_layer_sizes=8, random_state=0)
    numbers = TabularRegressor(**options).fit(TABLE, RENT)
    classes = TabularClassifier(**options).fit(TABLE, KIND)
    table = TABLE.append_column("rent", pa.array(RENT))
    return Explorer(numbers, "rent", table, "rent"), Explorer(classes, "kind")


def test_the_description_has_columns_and_their_effects(explorers):
    for explorer in explorers:
        described = explorer.describe()
        kinds = {column["name"]: column["kind"] for column in described["columns"]}
        assert kinds == dict(area="number", rooms="number", district="category", built="date")
        importances = [explorer.facts.importances[name] for name in kinds]
        assert importances == sorted(importances, reverse=True)
        for column in described["columns"]:
            effect = explorer.columns[column["name"]]
            assert column["mean"] == effect.mean.tolist()
            days = effect.values.astype("datetime64[D]") if column["axis"] == "date" else None
            shown = effect.values.tolist() if days is None else days.astype(str).tolist()
            assert column["values"] == shown


def test_the_description_has_the_first_row_or_a_typical_one(explorers):
    for explorer in explorers:
        described = explorer.describe()
        assert described["row"].keys() == {column["name"] for column in described["columns"]}
        first = explorer.table is not None
        names = ("First row", "rent") if first else ("Typical row", "kind")
        assert (described["row_name"], described["name"]) == names
        assert described["is_number"] == first
        P = [0] if first else explorer.answer(described["row"])["probabilities"].values()
        assert described["output"] == np.argmax([*P]) and len(described["outputs"]) == len(P)
        area, districts = COLUMNS["area"], COLUMNS["district"]
        typical = np.median(area), max(sorted({*districts}), key=districts.count)
        area, district = (area[0], districts[0]) if first else typical
        assert described["row"]["area"] == pytest.approx(area, rel=1e-6)
        assert described["row"]["district"] == district


def total_of(explanation):
    parts = explanation["contributions"].values()
    return explanation["base"] + sum(part["value"] for part in parts)


def test_answers_are_those_of_the_model(explorers):
    numbers, _ = explorers
    row = numbers.describe()["row"] | {"area": 61.5, "district": "south"}
    answer = numbers.answer(row)
    assert answer["prediction"] == float(numbers.model.predict(numbers._as_table(row))[0])
    low, high = answer["interval"]
    assert low < answer["prediction"] < high
    curve, column = answer["curves"]["rooms"], numbers.columns["rooms"]
    other = numbers._as_table(row | {"rooms": float(column.values[1])})
    assert curve[1] == pytest.approx(float(numbers.model.predict(other)[0]), rel=1e-6)
    explanation = numbers.explain(row)
    assert total_of(explanation) == pytest.approx(answer["prediction"], rel=1e-6)
    nearest = explanation["nearest"]
    assert nearest["columns"][0] == "rent" and len(nearest["rows"]) == 5
    days = COLUMNS["built"].astype("datetime64[D]")
    total = (np.array(COLUMNS["district"]) != "south").astype(float)
    for name, values, value in (
        ("area", COLUMNS["area"], 61.5),
        ("rooms", COLUMNS["rooms"], row["rooms"]),
        ("built", days, np.datetime64(row["built"])),
    ):
        first, last = numbers.columns[name].values[[0, -1]]
        total += np.minimum(abs(values - value) / (last - first), 1)
    order = np.argsort(total)[:5]
    np.testing.assert_allclose(nearest["distances"], total[order] / 4, rtol=1e-6)
    assert nearest["columns"] == ["rent", "area", "rooms", "district", "built"]
    for i, shown in zip(order, nearest["rows"], strict=True):
        expected = f"{RENT[i]:.6g}", f"{COLUMNS['area'][i]:.6g}", str(COLUMNS["rooms"][i])
        assert shown == [*expected, COLUMNS["district"][i], f"{days[i]} 00:00:00"]
    total += 1 - np.minimum(abs(values - value) / (last - first), 1)  # without a date
    distances = numbers.explain(row | {"built": None})["nearest"]["distances"]
    np.testing.assert_allclose(distances, np.sort(total)[:5] / 4, rtol=1e-6)


def test_rows_that_are_equally_near_keep_their_order(explorers):
    table = TABLE.take(np.tile([0, 1], 100)).append_column("rent", pa.array(np.arange(200.0)))
    explorer = Explorer(explorers[0].model, "rent", table, "rent")
    nearest = explorer.explain(explorer.describe()["row"])["nearest"]
    assert nearest["columns"][0] == "rent" and nearest["distances"] == [0] * 5
    assert [row[0] for row in nearest["rows"]] == ["0", "2", "4", "6", "8"]


@pytest.mark.parametrize("output", [0, 2])
def test_answers_about_each_class(explorers, output):
    _, classes = explorers
    row = classes.describe()["row"] | {"area": 61.5}
    answer = classes.answer(row, output)
    P = answer["probabilities"]
    assert list(P) == ["cheap", "dear", "fair"]
    assert list(P.values()) == classes.model.predict_proba(classes._as_table(row))[0].tolist()
    p = list(P.values())[output]
    assert min(answer["curves"]["area"]) <= p <= max(answer["curves"]["area"])
    assert total_of(classes.explain(row, output)) == pytest.approx(p, rel=1e-6)


def test_a_table_that_lacks_columns(explorers):
    model = explorers[0].model
    explorer = Explorer(model, "rent", TABLE.drop(["area"]))
    [note] = explorer.notes
    assert "without 'area', which the table does not have" in note
    assert len(explorer.explain(explorer.describe()["row"])["nearest"]["rows"]) == 5
    with pytest.raises(ValueError, match="has no column of the model, which reads 'area'"):
        Explorer(model, "rent", TABLE.select(["empty"]))


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_model_of_one_class_is_refused():
    model = TabularClassifier(1, hidden_layer_sizes=4, random_state=0).fit(TABLE, ["yes"] * N)
    with pytest.raises(ValueError, match="the model knows one class"):
        Explorer(model, "one")


def test_texts_of_a_table_are_read_as_in_training(explorers):
    model = explorers[0].model
    texts = TABLE.set_column(0, "area", pa.array([f"{x:.3f} m" for x in COLUMNS["area"]]))
    explorer = Explorer(model, "rent", texts)
    row = explorer.describe()["row"]
    nearest, expected = explorer.explain(row)["nearest"], explorers[0].explain(row)["nearest"]
    np.testing.assert_allclose(nearest["distances"], expected["distances"], atol=1e-4)
    wrong = TABLE.set_column(0, "area", pa.array(["large"] * N))
    with pytest.raises(ValueError, match="'area' holds 'large' in row 0, which is not a number"):
        Explorer(model, "rent", wrong)


@pytest.mark.filterwarnings("ignore:column 'built'. whole numbers")
def test_columns_that_are_present_or_missing_and_dates_of_digits():
    days = COLUMNS["built"].astype("datetime64[D]").astype(str)
    digits = [int(day.replace("-", "")) for day in days.tolist()]
    bonus = [7.0 if i % 3 else None for i in range(N)]
    table = pa.table({"bonus": bonus, "built": digits, "area": TABLE["area"]})
    model = TabularRegressor(1, hidden_layer_sizes=4, random_state=0).fit(table, RENT)
    explorer = Explorer(model, "rent", table)
    columns = {column["name"]: column for column in explorer.describe()["columns"]}
    row = explorer.describe()["row"]
    assert columns["bonus"]["values"] == ["present", "missing"]
    assert row == {"bonus": "missing", "built": days[0], "area": TABLE["area"][0].as_py()}
    for i, bonus in enumerate(["missing", "present"]):
        row |= {"bonus": bonus, "built": days[i], "area": TABLE["area"][i].as_py()}
        assert explorer.answer(row)["prediction"] == model.predict(table)[i]
        assert explorer.explain(row)["nearest"]["distances"][0] == 0


@pytest.mark.filterwarnings("ignore:column 'text'. free text")
@pytest.mark.parametrize("names, from_table", [(["text", "area"], True), (["text"], False)])
def test_free_text_is_changed_and_its_words_are_shown(names, from_table):
    words = np.array(["sunny", "dark"])[np.arange(N) % 2]
    texts = [f"a {word} flat near the park {i}" for i, word in enumerate(words)]
    table = TABLE.append_column("text", pa.array(texts)).select(names)
    model = TabularClassifier(2, hidden_layer_sizes=8, random_state=0).fit(table, words)
    explorer = Explorer(model, "flats", table if from_table and len(names) > 1 else None)
    described = explorer.describe()
    assert described["texts"] == ["text"] and described["row"].keys() == {*names}
    assert described["row"]["text"] == (texts[0] if from_table else "")
    row = described["row"] | {"text": "<b>SUNNY</b> \x9bx"}
    X = pa.table({name: [row[name]] for name in names})
    answer, found = explorer.answer(row), explorer.explain(row)
    assert list(answer["probabilities"].values()) == model.predict_proba(X)[0].tolist()
    explanation = model.explain(X)
    assert found["contributions"]["text"]["value"] == explanation.values[0, names.index("text")]
    shares = dict(zip(*explanation.words["text"][0]))
    assert found["unit"] == "logits"
    assert found["words"]["text"][0] == f"SUNNY {shares['SUNNY']:+.2f}"
    assert all(word.isprintable() for word in found["words"]["text"])
    for wrong in 7, "\ud800", ["a"]:
        with pytest.raises(PlayError, match="column 'text' needs a text"):
            explorer.answer(row | {"text": wrong})


def test_a_model_of_quantiles_shows_one_of_them_and_an_interval():
    loss = fastnn.losses.Quantile([0.1, 0.9])
    model = TabularRegressor(1, hidden_layer_sizes=8, loss=loss, random_state=0).fit(TABLE, RENT)
    explorer = Explorer(model, "quantiles")
    described = explorer.describe()
    row = described["row"]
    assert described["output"] == 1 and len(described["outputs"]) == 2
    answer = explorer.answer(row, output=1)
    assert answer["prediction"] == model.predict(explorer._as_table(row))[0, 1]
    low, high = model.predict_interval(explorer._as_table(row))
    assert answer["interval"] == [low[0], high[0]] and len(answer["curves"]["area"]) > 5


def test_missing_values_and_wrong_ones(explorers):
    numbers, _ = explorers
    row = numbers.describe()["row"]
    X = TABLE[:1].set_column(0, "area", pa.nulls(1)).set_column(2, "district", [pa.nulls(1)])
    for missing in None, "", "missing":
        answer = numbers.answer(row | dict.fromkeys(["area", "district"], missing))
        assert answer["prediction"] == numbers.model.predict(X)[0]
    needed = {"area": "a number, got 'x'", "built": "a date such as 2026-01-31, got 'x'"}
    for name, message in ("garden", "no column 'garden'"), *needed.items():
        with pytest.raises(ValueError, match=message):
            numbers.answer(row | {name: "x"})


@pytest.mark.parametrize("output", [None, True, 1.0, "0", -1, 5])
def test_outputs_that_do_not_exist(explorers, output):
    for explorer in explorers:
        row = explorer.describe()["row"]
        for ask in (explorer.answer, explorer.explain):
            with pytest.raises(PlayError, match="output must be a whole number"):
                ask(row, output)


def test_a_model_file_is_explored(run, tmp_path, explorers):
    path = tmp_path / "rent.safetensors"
    explorers[0].model.save(path)
    loaded = Explorer(fastnn.load(path), "rent")
    row = loaded.describe()["row"]
    assert loaded.answer(row)["prediction"] == explorers[0].answer(row)["prediction"]
    fastnn.MLP([2, 1], rng=0).save(tmp_path / "net.safetensors")
    code, _, error = run("play", "net.safetensors", "--no-browser")
    assert code == 2 and error.count("\n") == 1 and "net.safetensors" in error
    assert "wine is not a model file" in run.error("play", "wine", "digits", "--target", "cultivar")
