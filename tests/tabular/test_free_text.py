"""Free text as a column: its layer, and the models that read it."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from file_edits import change, setting, write_anew
from numpy.testing import assert_allclose, assert_array_equal
from odd_texts import TEXTS

import fastnn
from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.reference import texts as reference
from fastnn.tabular.columns import frames, text_layer
from fastnn.tabular.columns.text_layer import DECAYS, LayerFit, TextTargets
from fastnn.tabular.drift.changes import find_changes
from fastnn.tabular.drift.profile import NewRows
from fastnn.tabular.explaining.explanation import explanations_to_json
from fastnn.tabular.explaining.words import locate_ngrams, word_shares

pytestmark = pytest.mark.filterwarnings("ignore:column 'text'")
quick = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(n_estimators=5, hidden_layer_sizes=8, n_threads=1, random_state=0)
rng = np.random.default_rng(0)
WORDS = ["pasta", "wine", "waiter", "table", "night", "music", "garden", "bread", "soup", "street"]
GOOD, BAD = ["lovely", "perfect", "tasty"], ["awful", "cold", "rude"]


def reviews(n, seed=0):
    """Return texts, and whether they are good."""
    rng = np.random.default_rng(seed)
    is_good = rng.random(n) < 0.5
    judged = [rng.choice(GOOD if good else BAD) for good in is_good]
    texts = [" ".join([*rng.choice(WORDS, 5), word, *rng.choice(WORDS, 2)]) for word in judged]
    return texts, is_good


def rated_rows(n=200, seed=0):
    texts, is_good = reviews(n, seed)
    return pd.DataFrame({"z": np.random.default_rng(seed).normal(size=n), "text": texts}), is_good


X, y = rated_rows()

# ---- the layer ----


def fit_layer(n_folds=5, groups=None, y=y):
    codes = np.arange(len(y))
    fold = codes % max(2, n_folds)
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]
    targets = TextTargets(np.asarray(y, float)[:, None], np.ones(len(y)), True)
    values = codes, X["text"].tolist()
    return values, folds, *text_layer.fit_text_layer(values, targets, folds, groups, 1)


@pytest.mark.parametrize("n_folds", [1, 2, 5])
def test_no_output_of_the_training_table_has_seen_its_target(n_folds):
    """With random targets, a model that has seen them would agree with them."""
    noise = np.random.default_rng(3).random(len(y)) < 0.5
    outputs = fit_layer(n_folds, y=noise)[3]
    assert outputs.shape == (len(y), n_folds, 1)
    for k in range(n_folds):
        assert np.corrcoef(outputs[:, k, 0], noise)[0, 1] < 0.2


@pytest.mark.parametrize("n_folds, n", [(3, 18), (4, 10), (5, 15), (10, 55), (11, 66), (20, 120)])
def test_layers_are_few(n_folds, n, calls_of):
    calls = calls_of(LayerFit, "fit")
    fit_layer(n_folds)
    assert len(calls) - len(DECAYS) * n_folds == n


def test_no_layer_of_a_row_has_seen_its_group(calls_of):
    calls, groups = calls_of(LayerFit, "fit"), np.arange(len(y)) // 8
    fit_layer(2, groups=groups)
    for _, rows, _ in calls:
        others = np.setdiff1d(np.arange(rows[0] % 2, len(y), 2), rows)
        assert not set(groups[rows]) & set(groups[others])


@pytest.mark.parametrize("n_outputs, n_bits", [(16, 16), (17, 15), (512, 12)])
def test_many_outputs_have_fewer_buckets(n_outputs, n_bits):
    targets = TextTargets(np.zeros((2, n_outputs)), np.ones(2), False)
    fold = np.array([0]), np.array([1])
    layer, _ = text_layer.fit_text_layer((np.arange(2), ["a", "b"]), targets, [fold], None, 1)
    assert layer.weights.shape == (2**n_bits, 1, n_outputs)


@pytest.mark.parametrize("sizes, n_used", [([2000, 2000], 1), ([1500] * 4, 2), ([9] * 3, 3)])
def test_a_few_thousand_held_out_rows_choose_the_decay(sizes, n_used):
    asked = []
    folds = [((), range(size)) for size in sizes]
    LayerFit.choose_decay(None, folds, lambda _, pairs: asked.extend(pairs) or np.ones(len(pairs)))
    assert len(asked) == n_used * len(DECAYS)


def test_held_out_rows_have_the_outputs_of_new_rows():
    values, folds, layer, outputs = fit_layer()
    new = layer.outputs(values)
    for k, (train, held_out) in enumerate(folds):
        assert_allclose(outputs[held_out, k], new[held_out, k], rtol=1e-12)
        assert not np.allclose(outputs[train, k], new[train, k], rtol=1e-3)


def test_texts_without_known_ngrams_have_the_offset():
    layer = fit_layer()[2]
    buckets = [reference.find_ngrams(text.encode(), 16) for text in X["text"]]
    counts = np.bincount(np.concatenate(buckets), minlength=2**16)
    squares = np.where(counts > 1, (np.log(201 / (1 + counts)) + 1) ** 2, 0)
    assert_allclose(layer.squares, squares, rtol=1e-6)
    codes = np.array([0, 1, -1])
    assert_array_equal(layer.outputs((codes, ["", "0123"])), np.tile(layer.offsets, (3, 1, 1)))
    assert len(text_layer.Ngrams.find((codes, ["", "x"]), 8)) == 3


# ---- estimators ----


@pytest.fixture(scope="module")
def critic():
    note = r"column 'text': free text, .* pass texts=\['text'\], else categories=\['text'\] or drop"
    with pytest.warns(fastnn.tables.TableWarning, match=note):
        return TabularClassifier(**SMALL).fit(X, y)


def test_a_classifier_reads_the_text(critic):
    new, is_good = rated_rows(seed=1)
    assert critic.columns_ == {"z": "number", "text": "text"}
    assert critic.score(new, is_good) > 0.9 and critic.oof_score_ > 0.9
    assert critic.feature_importances_.argmax() == 1


def test_a_regressor_reads_the_text():
    reg = TabularRegressor(**SMALL).fit(X, X["z"] + 3 * y)
    new, is_good = rated_rows(seed=1)
    assert reg.score(new, new["z"] + 3 * is_good) > 0.7


def test_several_classes_and_one_fold():
    classes = np.where(y, "good", np.where(X["z"] > 0, "bad", "dull"))
    assert TabularClassifier(**SMALL | dict(n_estimators=1)).fit(X, classes).score(X, classes) > 0.8


def test_a_file_has_the_layer(critic, reload):
    loaded, (new, _) = reload(critic), rated_rows(seed=1)
    assert_array_equal(loaded.predict_proba(new), critic.predict_proba(new))
    assert_array_equal(loaded.explain(new[:3]).values, critic.explain(new[:3]).values)


DIRTY = [None, np.nan, "", "  ", "👍", "这家餐厅很好吃", "\x1b[31mred\x00", "x" * 2**20]


def dirty(n):
    """Return rows with these texts, and others."""
    return [{"z": z, "text": text} for z, text in zip(X["z"].tolist(), [*DIRTY, *X["text"]][:n])]


def test_any_text_is_predicted(critic):
    assert np.isfinite(critic.predict_proba(dirty(len(DIRTY)))).all()


@quick
def test_any_text_is_learned():
    TabularClassifier(**SMALL).fit(dirty(len(y)), y)


def test_one_row_is_predicted_as_among_others(critic):
    new, _ = rated_rows(seed=1)
    assert_array_equal(critic.predict_proba(new)[:1], critic.predict_proba(new[:1]))


def test_folds_in_time_have_a_layer_for_all_rows(reload):
    clf = TabularClassifier(**SMALL).fit(X, y, time=np.arange(len(y)))
    new, is_good = rated_rows(seed=1)
    assert clf.score(new, is_good) > 0.9
    assert_array_equal(reload(clf).predict_proba(new), clf.predict_proba(new))


@pytest.mark.parametrize("is_forward", [False, True])
def test_intervals_are_wide_where_the_text_says_so(is_forward, reload):
    rows, is_good = rated_rows(600)
    noise = np.random.default_rng(9).normal(size=600) * np.where(is_good, 2.0, 0.1)
    time = np.arange(600) if is_forward else None
    reg = TabularRegressor(**SMALL).fit(rows, rows["z"] + 3 * is_good + noise, time=time)
    new, is_good = rated_rows(seed=1)
    lower, upper = reg.predict_interval(new)
    assert np.median((upper - lower)[is_good]) > 2 * np.median((upper - lower)[~is_good])
    assert_array_equal(reload(reg).predict_interval(new), (lower, upper))


def test_statistics_of_ids_beside_texts(reload):
    rows = X.assign(id=[f"c{i % 40}" for i in range(len(y))])
    clf = TabularClassifier(**SMALL).fit(rows, y)
    assert clf.columns_["id"] == "category" and clf.oof_score_ > 0.9
    assert_array_equal(reload(clf).predict_proba(rows), clf.predict_proba(rows))


@quick
def test_the_argument_names_texts_and_categories():
    short = X.assign(text=["good" if good else "bad" for good in y])
    assert TabularClassifier(**SMALL, texts="text").fit(short, y).columns_["text"] == "text"
    assert "text" in TabularClassifier(**SMALL, categories="text").fit(X, y).left_out_


NAMED = [
    ("Anna Maier{}", {}, True), ("Anna Maier{}", dict(categories="name"), False),
    *((text, {}, False) for text in ("Anna Maier", "NA", "row {}", "{} 0000 ab{}")),
    ("a{}@mail.example.org", {}, False),
]  # fmt: skip


@quick
@pytest.mark.parametrize("text, options, is_named", NAMED)
def test_a_note_says_how_to_read_words_that_are_left_out(text, options, is_named):
    rows = X[["z"]].assign(name=[text.format(i, i) for i in range(len(y))])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf = TabularClassifier(**SMALL, **options).fit(rows, y)
    notes = [str(each.message) for each in caught if "free text" in str(each.message)]
    assert "name" in clf.left_out_ and len(notes) == is_named
    assert all("'name' is left out" in note and "texts=['name']" in note for note in notes)


def test_columns_without_names_are_named_as_in_the_note():
    with pytest.warns(fastnn.tables.TableWarning, match=r"pass texts=\['0'\]"):
        model = TabularClassifier(**SMALL).fit([[text] for text in X["text"]], y)
    same = TabularClassifier(**SMALL, texts=["0"]).fit(X[["text"]].to_numpy(), y)
    assert_array_equal(same.oof_prediction_, model.oof_prediction_)
    assert same.columns_ == {0: "text"}
    with pytest.raises(ValueError, match="texts names column 1, but X has 1 columns"):
        TabularClassifier(**SMALL, texts="1").fit(X[["text"]].to_numpy(), y)


def test_equal_texts_are_left_out():
    same = "not a word of it differs"
    table = X.assign(same=same, other=[same if good else None for good in y], none=None)
    model = TabularClassifier(**SMALL, texts=["text", "same", "other", "none"]).fit(table, y)
    assert model.columns_ == {"z": "number", "text": "text", "other": "text"}
    assert model.left_out_ == {"same": "all values are equal", "none": "all values are missing"}


LOSSES = [  # targets, whether they are shares of classes, outputs, their losses, and the best outputs
    ([[1.0, 5.0], [3.0, 0.0]], False, [2.0, 7.0], [5, 3 * 50], [2.5, 1.25]),
    ([[0.0], [1.0]], True, [2.0], [np.log1p(np.e**2), 3 * np.log1p(np.e**-2)], [np.log(3)]),
    ([[0.0, 1.0]] * 2, True, [0.0, np.log(3)], np.log(4 / 3) * np.array([1, 3]), [-6 * np.log(10), 0]),
]  # fmt: skip


@pytest.mark.parametrize("y, is_classifier, Z, losses, offset", LOSSES)
def test_losses_of_a_layer(y, is_classifier, Z, losses, offset):
    targets = TextTargets(np.array(y), np.array([1.0, 3.0]), is_classifier)
    assert_allclose(targets.losses(np.array([Z, Z]), np.arange(2)), losses)
    assert_allclose(targets.offset(np.arange(2)), offset, rtol=1e-6, atol=2e-6)


def test_what_has_no_effect_or_onnx_file_says_so(critic, tmp_path):
    with pytest.raises(ValueError, match="'text' holds free text, which has no effect"):
        critic.effect("text")
    assert [effect.column for effect in critic.effects()] == ["z"]
    message = r"'text' has no derivatives: it is a text\..* Use explain"
    with pytest.raises(ValueError, match=message):
        critic.predict_derivatives(X, "text")
    found, h = critic.predict_derivatives(X, "z")[..., 0], 5e-3
    low, high = (critic.predict_proba(X.assign(z=X["z"] + step)) for step in (-h, h))
    assert np.quantile(abs(found - (high - low) / (2 * h)), 0.85) < 1e-3 * np.ptp(found)
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    with pytest.raises(ValueError, match="cannot be exported to ONNX, and this one reads 'text'"):
        fastnn.export.onnx(critic, tmp_path / "model")


def test_drift_compares_the_lengths_of_texts(critic):
    def changes(X):
        new = NewRows.of(critic.model_)
        new.add(frames.read(X))
        return [(change.column, change.kind) for change in find_changes(new).changes]

    new, _ = rated_rows(seed=1)
    assert changes(new) == []
    assert ("text", "range") in changes(new.assign(text=new["text"] * 2))


@quick
def test_tables_larger_than_memory_leave_texts_out(tmp_path):
    path = tmp_path / "rows.parquet"
    big = pd.concat([X.assign(y=y)] * 20, ignore_index=True)
    big["text"] += [f" {i}" for i in range(len(big))]
    big.to_parquet(path)
    clf = TabularClassifier(**SMALL).fit(path, "y", window=2000)
    assert "larger than memory" in clf.left_out_["text"]
    with pytest.raises(ValueError, match=r"texts.*is in memory"):
        TabularClassifier(**SMALL, texts="text").fit(path, "y", window=2000)


@pytest.mark.parametrize("options", [{}, {"time": np.arange(len(y))}])
def test_a_resumed_fit_has_the_bits_of_a_whole_one(
    quick_recipe, options, interrupt_after_a_fold, reload
):
    whole, clf = TabularClassifier(**SMALL).fit(X, y, **options), TabularClassifier(**SMALL)
    with interrupt_after_a_fold(2):
        clf.fit(X, y, **options)
    loaded = reload(clf)
    assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    loaded.fit(X, y, resume=True, **options)
    assert_array_equal(loaded.predict_proba(X), whole.predict_proba(X))
    assert_array_equal(loaded.feature_importances_, whole.feature_importances_)


@quick
def test_damaged_layers_are_refused(tmp_path):
    path, name = tmp_path / "model.safetensors", "text1_squares"
    clf = TabularClassifier(**SMALL, texts=["text", "more"]).fit(X.assign(more=X["text"]), y)
    clf.save(path)
    content, features = path.read_bytes(), clf.features_
    edits = [(name, setting("header", name, "shape", [n])) for n in (1, 3)]
    for order in ([3, 0, 1, 2, 4], [0, 1, 2, 4, 3]):  # a layer is not last, or in another order
        numbers = [vars(features.numbers[i]) for i in order]
        edits.append(("part", setting("features", "numbers", numbers)))
    wrong = [(message, change(content, "model", edit)) for message, edit in edits]
    for name, value in ("weights", np.nan), ("squares", -1.0), ("offsets", np.inf):
        part = getattr(features.text_layers[1], name)
        kept, part.flat[0] = part.flat[0], value
        clf.save(path)
        part.flat[0] = kept
        wrong.append(("text", path.read_bytes()))
    features.text_layers[1] = features.text_layers[1].take([0])
    clf.save(path, background=False)
    for message, damaged in [*wrong, ("text", path.read_bytes())]:
        write_anew(path, damaged)
        with pytest.raises(fastnn.ModelFileError, match=rf"damaged \({message}\)"):
            fastnn.load(path)


@quick
def test_threads_and_workers_do_not_change_the_bits():
    P = TabularClassifier(**SMALL).fit(X, y).predict_proba(X)
    assert_array_equal(TabularClassifier(**SMALL | dict(n_threads=3)).fit(X, y).predict_proba(X), P)
    with ThreadPoolExecutor(2) as executor:
        workers = TabularClassifier(**SMALL).fit(X, y, executor=executor)
    assert_array_equal(workers.predict_proba(X), P)


# ---- what words add ----


def random_texts(n):
    rng = np.random.default_rng(4)
    alphabet = list("abZ0 .éßЖ这👍\u200d\ufe0f\ud800\x00")
    return ["".join(rng.choice(alphabet, k)) for k in rng.integers(0, 14, n)]


@pytest.mark.parametrize("n_bits", [4, 16])
def test_located_ngrams_are_those_of_the_layer(n_bits):
    for text in [*TEXTS.values(), *random_texts(500)]:
        words, places = locate_ngrams(text, n_bits)
        buckets, first, last = map(np.concatenate, zip(*places))
        expected = reference.find_ngrams(text.encode("utf-8", "surrogatepass"), n_bits)
        assert set(buckets.tolist()) == set(expected)
        assert np.all((first >= 0) & (first <= last) & (last < len(words)))


@pytest.mark.parametrize("n_bits", [4, 16])  # with 4 bits many n-grams have the same bucket
def test_shares_of_words_add_up_to_the_outputs(n_bits):
    rng = np.random.default_rng(5)
    squares = rng.random(2**n_bits).astype(np.float32) * (rng.random(2**n_bits) < 0.7)
    weights = rng.normal(size=(2**n_bits, 3, 2)).astype(np.float32)
    layer = text_layer.TextLayer(squares, weights, rng.normal(size=(3, 2)))
    texts = [*TEXTS.values(), *random_texts(50), "x" * 10_000]
    outputs = layer.outputs((np.arange(-1, len(texts)), texts)).mean(axis=1)
    for text, output in zip([None, *texts], outputs):
        words, shares = word_shares(layer, layer.weights.mean(axis=1), text)
        assert shares.shape == (len(words), 2)
        assert_allclose(shares.sum(axis=0) + layer.offsets.mean(axis=0), output, rtol=1e-5)


def ngrams(text):
    return reference.find_ngrams(text.encode(), 16)


PAIR = {*ngrams("no good")} - {*ngrams("no")} - {*ngrams("good")}
FAMILY = "👍🏽👩\u200d👧a"


SHARES = [
    ("Good, GOOD soup", ngrams("good")[0], ["Good", "GOOD", "soup"], [1 / 2, 1 / 2, 0]),
    ("no good soup", *PAIR, ["no", "good", "soup"], [1 / 2, 1 / 2, 0]),
    ("goods", ngrams("good")[0], ["goods"], [0]),
    ("很好吃 ok", ngrams("很好吃")[0], ["很", "好", "吃", "ok"], [1 / 3, 1 / 3, 1 / 3, 0]),
    ("很好 ok", *({*ngrams("好")} & {*ngrams("很好吃")}), ["很", "好", "ok"], [0, 1, 0]),
    (FAMILY, ngrams(FAMILY)[0], ["👍🏽", "👩\u200d👧", "a"], [1 / 3, 1 / 3, 1 / 3]),
]


@pytest.mark.parametrize("text, ngram, words, shares", SHARES)
def test_an_ngram_is_shared_by_the_words_that_have_it(text, ngram, words, shares):
    weights = np.zeros((2**16, 1, 1), np.float32)
    weights[ngram] = 1
    layer = text_layer.TextLayer(weights[:, 0, 0], weights, np.zeros((1, 1)))
    found, numbers = word_shares(layer, weights[:, 0], text)
    assert found == words
    assert_allclose(numbers[:, 0], shares)


def test_explanations_name_the_words_that_matter(critic):
    explanation = critic.explain(X)
    top = explanation.top_words("text", n=6)
    assert set(top) == {*GOOD, *BAD}
    assert all((share > 0) == (word in GOOD) for word, share in top.items())
    each = [share for found in explanation.words["text"] for share in zip(*found)]
    total = sum(share for word, share in each if word == "lovely")
    assert top["lovely"] == pytest.approx(total / len(X))
    with pytest.raises(ValueError, match=r"column 'z' is not free text.* uses: 'text'"):
        explanation.top_words("z")


def test_an_explanation_has_the_words_of_each_row(critic):
    explanation = critic.explain(X)
    text = explanation.to_text(width=1000)
    lines = [line for line in text.splitlines() if line.startswith("    words")]
    assert len(lines) == len(X) and not any("0.00" in line for line in lines)
    for text, (words, shares) in zip(X["text"], explanation.words["text"]):
        assert words == text.split()
        assert words[np.abs(shares).argmax()] in {*GOOD, *BAD}


@quick
@pytest.mark.parametrize("kind", ["classes", "quantiles"])
def test_words_of_several_outputs(kind):
    if kind == "classes":
        classes = np.where(y, "good", np.where(X["z"] > 0, "a", "b"))
        model = TabularClassifier(**SMALL).fit(X, classes)
    else:
        model = TabularRegressor(**SMALL, loss=losses.Quantile((0.1, 0.5, 0.9))).fit(X, 3.0 * y)
    explanation, layer = model.explain(X[:2]), model.features_.text_layers[1]
    outputs = layer.outputs((np.arange(2), X["text"][:2].tolist())).mean(axis=1)
    for (words, shares), output in zip(explanation.words["text"], outputs):
        assert shares.shape == (len(words), 3)
        assert_allclose(shares.sum(axis=0) + layer.offsets.mean(axis=0), output + np.zeros(3), 1e-5)
    last = explanation.outputs[-1]
    of_last = explanation.of(last)
    assert_array_equal(of_last.words["text"][0][1], explanation.words["text"][0][1][:, 2])
    assert explanation.top_words("text", last) == of_last.top_words("text")
    with pytest.raises(ValueError, match="not an output"):
        explanation.top_words("text")


def test_texts_and_json_of_explanations_have_the_words(critic):
    explanation = critic.explain(X[:1].assign(text="LOVELY \x9b31mlovely\u202e bread"))
    text = explanation.to_text()
    assert all(
        part in text for part in ("    words (logits): ", "LOVELY +", "\ufffd31mlovely\ufffd +")
    )
    assert all(line.isprintable() and len(line) <= 80 for line in text.splitlines())
    assert "lovely" in explanation.top_words("text")
    (row,) = explanations_to_json(explanation, [1])
    words, shares = explanation.words["text"][0]
    assert words == ["LOVELY", "\x9b31mlovely\u202e", "bread"]
    assert row["words"] == {"text": dict(zip(words, shares.tolist()))}
    assert "words" not in critic.explain(X[:1].assign(text=None)).to_text()


def test_json_has_the_words_with_the_largest_shares(critic):
    text = " ".join(["lovely", *(f"{word}{i}" for word in WORDS for i in range(5)), "lovely"])
    explanation = critic.explain(X[:1].assign(text=text))
    found = explanations_to_json(explanation, [1])[0]["words"]["text"]
    shares = explanation.words["text"][0][1]
    assert len(found) == 20 < len(shares)
    assert next(iter(found)) == "lovely" and found["lovely"] == shares[0] + shares[-1]
