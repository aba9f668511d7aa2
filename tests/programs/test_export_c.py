"""fastnn.export.c: what the compiled files predict, what they refuse, and how they read."""

import copy
import re
import subprocess
import sys
from types import SimpleNamespace

import c_program
import export_cases
import numpy as np
import pytest
from c_program import Rows, predict
from checks import assert_within
from export_cases import assert_close
from places import DOCS

import fastnn
from fastnn import EncodedTable, export
from fastnn.export import c_ngrams, c_text
from fastnn.tables.cells.missing import MISSING

needs_gcc = pytest.mark.skipif(c_program.GCC is None, reason="gcc is not installed")
BUILDS = {"O2": ["-O2"], "sanitized": c_program.SANITIZED}


def rows_of(case):
    """The rows of a case as the exported function takes them."""
    if isinstance(case.X, EncodedTable):
        parts = [p for p in (case.X.numbers, case.X.positions, case.X.codes) if p.shape[1]]
        return Rows(list(zip(*parts)), "float" if case.X.dtype == np.float32 else "double")
    if hasattr(case.model, "columns_"):
        return Rows(list(zip(*export_cases.passed(case.model, case.X).values())), "double")
    dtype = getattr(case.model, "networks_", [case.model])[0].dtype
    return Rows(case.X.astype(dtype), "float" if dtype == np.float32 else "double")


def compiled(folder, cases, flags):
    """{name: (status, Y, labels)} of all cases, exported and compiled together."""
    for name, case in cases.items():
        export.c(case.model, folder / f"{name}.c", **case.options)
    return predict(folder, {name: rows_of(case) for name, case in cases.items()}, flags)


def check(case, status, Y, labels):
    assert not status.any()
    assert_close(Y, case.expected)
    if case.labels is not None and case.labels.ndim == 1:
        assert labels == case.labels.tolist()  # True is 1


# ---- predictions ----


@pytest.fixture(scope="module", params=BUILDS)
def networks(request, tmp_path_factory):
    cases = export_cases.networks()
    return cases, compiled(tmp_path_factory.mktemp("networks"), cases, BUILDS[request.param])


@needs_gcc
@pytest.mark.parametrize("name", export_cases.networks())
def test_networks(networks, name):
    cases, results = networks
    check(cases[name], *results[name])


@needs_gcc
@pytest.mark.parametrize("kind", ["estimators", "tabular", "free_text", "intervals"])
@pytest.mark.parametrize("build", BUILDS)
def test_estimators(kind, build, tmp_path):
    cases = getattr(export_cases, kind)()
    for name, result in compiled(tmp_path, cases, BUILDS[build]).items():
        check(cases[name], *result)


@pytest.mark.filterwarnings("ignore:y holds only the class")
@needs_gcc
def test_one_class(tmp_path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    table = fastnn.TabularClassifier().fit([[0.5, "a"], [1.5, "b"]] * 3, ["x"] * 6)
    array = fastnn.MLPClassifier(max_iter=1, tol=9).partial_fit(np.eye(2), [3, 3], classes=[3])
    export.c(table, tmp_path / "table.c")
    export.c(array, tmp_path / "array.c")
    rows = {"table": Rows([(0.5, "a")] * 6, "double"), "array": Rows(np.eye(2), "double")}
    for name, (status, Y, labels) in predict(tmp_path, rows).items():
        expected = {"table": ["x"] * 6, "array": [3] * 2}[name]
        assert not status.any() and labels == expected
        np.testing.assert_array_equal(Y, np.ones((len(expected), 1)))


@needs_gcc
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormal_inputs_and_weights(dtype, tmp_path):
    """The C file computes with them and leaves the floating-point mode alone; kernels read them as 0."""
    rng, tiny, cases = np.random.default_rng(0), np.finfo(dtype).tiny, {}
    for hidden in ("relu", "tanh", "silu"):
        net = fastnn.MLP([7, 9, 2], hidden, dtype=dtype, rng=0)
        net.params[rng.random(net.n_params) < 0.4] *= tiny
        X = rng.normal(size=(20, 7)).astype(dtype)
        X[rng.random(X.shape) < 0.5] *= tiny
        X[0] *= tiny
        cases[hidden] = export_cases.Case(net, X, net.forward(X))
    for name, (status, Y, _) in compiled(tmp_path, cases, ["-O2"]).items():
        expected = cases[name].expected
        assert_within(Y, expected, 1e-5 * np.abs(expected).max() + 100 * tiny, name)
        assert not status.any()
        assert not re.search("fenv|mxcsr|fpcr", (tmp_path / f"{name}.c").read_text())


@needs_gcc
@pytest.mark.parametrize("flags", ["-O2", "-O3 -march=native", "-O2 -ffp-contract=fast"])
def test_tanh_of_float32(flags, tmp_path):
    net = fastnn.MLP([1, 1], output="tanh", rng=0)
    net.weights[0][:] = 1
    export.c(net, tmp_path / "net.c")
    x = np.r_[0, np.geomspace(1e-45, 3e38, 5000), np.linspace(0, 10, 5000)].astype("float32")
    rows = Rows(np.r_[x, -x][:, None], "float")
    Y = predict(tmp_path, dict(net=rows), flags.split())["net"][1][:, 0]
    y = Y[: len(x)]
    np.testing.assert_array_equal(Y[len(x) :], -y)
    assert (y <= 1).all() and y[x > 9.1].min() == 1
    expected = np.tanh(x.astype(float))
    assert_within(y, expected, 4e-7 * expected + 2e-45)


# ---- free text ----

FUZZ = """
#include "model.c"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    FILE *file = fopen(argv[argc - 1], "rb");
    uint32_t n;
    while (file != NULL && fread(&n, 4, 1, file) == 1) {
        char *text = malloc(n + 1); /* a read outside is an error of the sanitizer */
        double y[MODEL_N_OUTPUTS];
        if (text == NULL || fread(text, 1, n, file) != n)
            return 1;
        text[n] = 0;
        const model_row row = {0.5, text};
        if (model_predict(&row, y) != 0)
            return 1;
        printf("%.17g %.17g\\n", y[0], y[1]);
        free(text);
    }
    return 0;
}
"""


def marks():
    """Texts that are missing values, however they are written, and texts that are almost the same."""
    spaces = "".join(chr(c) for c in range(1, 2**16) if chr(c).isspace())
    missing = sorted(MISSING)
    written = [*missing, *map(str.upper, missing), *(f" {mark}\t" for mark in missing)]
    written += [f"{space}Na{space}" for space in spaces] + [spaces, "\u212a.A.", "k. \u212aa"]
    others = [form.format(mark) for mark in missing for form in ("{}x", "-{}")]
    return [*written, *others, "\u2027na"]


@needs_gcc
def test_marks_of_missing_values_are_those_of_python(tmp_path, quick_recipe):
    """In a category, whose model treats a missing value otherwise than an unknown one."""
    places = np.array(["here", "there", None], object)[np.arange(90) % 3]
    clf = fastnn.TabularClassifier(1, random_state=0).fit([[x] for x in places], places == "here")
    rows = [*marks(), "here", "elsewhere", None]
    expected = clf.predict_proba([[x] for x in rows])
    assert len({*map(tuple, expected.tolist())}) == 3  # missing, unknown and known
    export.c(clf, tmp_path / "model.c")
    Y = predict(tmp_path, dict(model=Rows([(x,) for x in rows], "double")))["model"][1]
    assert_close(Y, expected)


def fuzzed():
    """Texts, and their bytes in UTF-8, followed by others: most of these are no UTF-8."""
    rng = np.random.default_rng(0)
    letters = [*"Gobads up.7\t", *"\xe8\xc8\u9910\u5385\N{SNOWMAN}\u0434\u200d", "\U0001f44d"]
    texts = ["".join(rng.choice(letters, n)) for n in rng.integers(1, 40, 400)]
    texts += [*marks(), "soup " * 40_000, "x" * 2**17, "\u9910" * 2**17]
    encoded = [text.encode() for text in texts]
    others = [text[:-k] for text in encoded[:200] for k in (1, 2)]
    others += [rng.integers(1, 256, n, np.uint8).tobytes() for n in range(200)]
    return texts, encoded + others


@needs_gcc
def test_any_text_has_the_same_ngrams_and_no_other_bytes_are_read(tmp_path):
    clf = export_cases.free_text()["text_folds"].model
    export.c(clf, tmp_path / "model.c")
    (tmp_path / "main.c").write_text(FUZZ)
    command = [c_program.GCC, *c_program.STRICT, *c_program.SANITIZED]
    subprocess.run([*command, "-O1", "-o", "main", "main.c", "-lm"], cwd=tmp_path, check=True)
    texts, any_bytes = fuzzed()
    content = [len(x).to_bytes(4, sys.byteorder) + x for x in any_bytes]
    (tmp_path / "texts").write_bytes(b"".join(content))
    run = subprocess.run(["./main", "texts"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[:3000]
    Y = np.array([line.split() for line in run.stdout.splitlines()], float)
    assert len(Y) == len(content) and np.isfinite(Y).all()
    expected = clf.predict_proba([{"z": 0.5, "text": text} for text in texts])
    assert_close(Y[: len(texts)], expected[:, :2])


@needs_gcc
@pytest.mark.parametrize("factor, n_digits", [(1, 2), (1.01, 4)])
def test_weights_that_are_no_steps_have_more_digits(factor, n_digits, tmp_path):
    """As those of older models. Others are exact: sums of the layer are those of Python."""
    case = export_cases.free_text()["text_folds"]
    model = copy.deepcopy(case.model)
    for layer in model.features_.text_layers.values():
        layer.weights *= factor
    export.c(model, tmp_path / "model.c")
    assert f"each is {n_digits} digits" in (tmp_path / "model.c").read_text()
    Y = predict(tmp_path, dict(model=rows_of(case)))["model"][1]
    assert_close(Y, model.predict_proba(case.X))


@pytest.mark.parametrize(("n", "ctype", "n_bytes"), [(2**16 - 1, 16, 8192), (2**16, 32, 8193)])
def test_the_numbers_of_known_ngrams_fit_their_type(n, ctype, n_bytes):
    """The first number is that of all others."""
    arrays = dict(squares=np.float32(np.arange(2**17) < n), weights=np.ones((2**17, 1)))
    layer = SimpleNamespace(**arrays, offsets=np.ones(1), n_folds=1, n_outputs=1)
    text = c_ngrams.definitions([layer], 1, dict(name="m", NAME="M"))
    parts = f"const uint{ctype}_t m_known0[131072]", f" found[{n_bytes}];", "strlen(text), 17,"
    assert all(part in text for part in (*parts, "m_weights0[33][4001] = "))


# ---- invalid inputs ----


@needs_gcc
def test_the_number_of_an_invalid_input_is_returned(tmp_path):
    net = fastnn.MLP([3, 2], rng=0)
    export.c(net, tmp_path / "dense.c")
    X = np.zeros((4, 3), "float32")
    X[1, 0], X[2, 2], X[3, 1] = np.nan, np.inf, -np.inf
    parts = dict(numbers=[[0.0]], positions=[[0.5, 0.5]], codes=[[0]])
    table = EncodedTable(**parts, n_bins=3, n_categories=4)
    net = fastnn.MLP([table.n_inputs, 1], rng=0)
    export.c(net, tmp_path / "cells.c", layout=table.layout)
    good = [np.float32(0)], np.float32([0, 3]), [3]
    cells = [
        (1, ([np.float32("nan")], *good[1:])),
        (2, (good[0], np.float32([-0.5, 0]), good[2])),
        (3, (good[0], np.float32([0, 3.001]), good[2])),
        (2, (good[0], np.float32([np.nan, 0]), good[2])),
        (4, (*good[:2], [-2])),
        (4, (*good[:2], [4])),
        (0, (*good[:2], [-1])),
        (0, good),
    ]
    rows = dict(dense=Rows(X, "float"), cells=Rows([row for _, row in cells], "float"))
    for flags in BUILDS.values():
        results = predict(tmp_path, rows, flags)
        assert results["dense"][0].tolist() == [0, 1, 3, 2]
        assert (results["dense"][1][1:] == 0).all()  # y is not set
        assert results["cells"][0].tolist() == [status for status, _ in cells]


@needs_gcc
def test_infinite_columns_are_invalid(tmp_path):
    case = export_cases.tabular()["table_mean"]
    export.c(case.model, tmp_path / "model.c")
    row = [column[5] for column in export_cases.passed(case.model, case.X).values()]
    numbers = [i for i, x in enumerate(row) if isinstance(x, float)]
    rows = [tuple(np.inf if i == j else x for j, x in enumerate(row)) for i in numbers]
    status, Y, _ = predict(tmp_path, dict(model=Rows(rows, "double")))["model"]
    assert len(numbers) > 4 and status.tolist() == [i + 1 for i in numbers] and (Y == 0).all()


# ---- the guide ----


@needs_gcc
def test_the_programs_of_the_guide(tmp_path, monkeypatch):
    page = DOCS / "export.md"
    if not page.exists():
        pytest.skip("there is no docs/ beside these tests")
    pd = pytest.importorskip("pandas", reason="the guide uses pandas")
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    monkeypatch.chdir(tmp_path)
    before = page.read_text(encoding="utf-8").partition("## ONNX")[0]
    names: dict = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", before, re.M | re.S)), names)
    printed = []
    for program in re.findall(r"^```c\n(.*?)^```", before, re.M | re.S):
        (tmp_path / "main.c").write_text(program)
        command = [c_program.GCC, *c_program.STRICT, "-o", "main", "main.c", "-lm"]
        subprocess.run(command, check=True)
        run = subprocess.run(["./main"], capture_output=True, text=True, check=True)
        printed.append(run.stdout.split())
    listed = np.array([1750000000, "NaT"], "datetime64[s]")
    row = pd.DataFrame(dict(area=[80.5, np.nan], district=["centre", None], listed=listed))
    assert printed == [["worn"], [f"{x:.0f}" for x in names["model"].predict(row)], ["inside"]]
    struct = re.search(r"^typedef struct \{.*?^\} rent_row;$", before, re.M | re.S)[0]
    assert struct in (tmp_path / "rent.c").read_text()


# ---- the file ----


def source(tmp_path, model, **options):
    path = tmp_path / "model.c"
    export.c(model, path, **options)
    return path.read_text(encoding="ascii")


def test_all_data_is_constant_and_nothing_is_allocated(tmp_path):
    for case in (export_cases.tabular() | export_cases.free_text()).values():
        text = source(tmp_path, case.model)
        starts = re.findall(r"_layer\d\(row->\w+, x \+ (\d+)\);", text)
        assert len({*starts}) == len(starts)  # layers of texts have their own outputs
        arrays = re.findall(r"^\w[\w *]+\[\d+\](?:\[\d+\])? = \{", text, re.M)
        assert len(arrays) > 3 and all("const" in array for array in arrays)
        variable = r"\bstatic (?!const|void|int|size_t|float|double|[a-z0-9_ ]+\()"
        assert not re.search(rf"malloc|calloc|free\(|printf|{variable}", text)
        headers = set(re.findall(r"#include <(\w+)\.h>", text))
        assert headers == {"math", "stddef", "stdint", "string"}


def stacks(tmp_path, model, **options):
    """The macro for the stack of a model, and [(function, bytes)] as the compiler says."""
    stack = int(re.search(r"#define MODEL_STACK (\d+)", source(tmp_path, model, **options))[1])
    command = [c_program.GCC, "-std=c99", "-O1", "-fno-inline", "-fstack-usage", "-c", "model.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = re.findall(r":(\w+)\s+(\d+)", (tmp_path / "model.su").read_text())
    return stack, {name: int(size) for name, size in found}


@needs_gcc
def test_the_stack_is_as_large_as_the_macro_says(tmp_path):
    stack, used = stacks(tmp_path, fastnn.MLP([3, 70, 200, 90, 1], rng=0))
    assert 4 * (90 + 200) <= stack <= 4 * (90 + 200) + 100 and used["model_network0"] <= stack + 100


STACKS = [("text_two", "model_predict"), ("text_pairs", "model_interval")]


@needs_gcc
@pytest.mark.parametrize(("name", "function"), STACKS)
def test_the_stack_of_texts_is_as_large_as_the_macro_says(name, function, tmp_path):
    options = dict(interval=0.8) if function == "model_interval" else {}
    stack, used = stacks(tmp_path, export_cases.free_text()[name].model, **options)
    bodies = {function, "model_folds"} & {*used}  # one calls the other
    others = max(n for name, n in used.items() if name not in {*bodies, "model_predict"})
    assert stack / 2 < sum(used[name] for name in bodies) + others <= stack + 300


def test_names_begin_with_the_name_of_the_file_or_as_asked(tmp_path):
    net = fastnn.MLP([2, 1], rng=0)
    assert "int model_predict(const float x[MODEL_N_INPUTS]" in source(tmp_path, net)
    assert "int eye_predict(const float x[EYE_N_INPUTS]" in source(tmp_path, net, name="eye")
    for name in ("2nd", "my-model", "int", "", 3):
        with pytest.raises(ValueError, match=r"name must be a C identifier, such as digits, got"):
            export.c(net, tmp_path / "other.c", name=name)
    with pytest.raises(ValueError, match=r"got 'my-model'. By default it is the name of the file"):
        export.c(net, tmp_path / "my-model.c")
    assert [path.name for path in tmp_path.iterdir()] == ["model.c"]


def test_names_of_inputs_are_in_a_comment(tmp_path):
    pd = pytest.importorskip("pandas", reason="data frames need pandas")
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    X = pd.DataFrame({"a */ b": [0.0, 1, 2], "c": [1.0, 0, 1]})
    reg = fastnn.MLPRegressor((2,), max_iter=1, n_iter_no_change=np.inf).fit(X, [0, 1, 2])
    assert "/* x: a * / b, c */" in source(tmp_path, reg)


IDENTIFIERS = [
    (["area", "Area", "area"], ["area", "Area", "area_2"]),
    (["size (m2)", "size-m2", "size_m2_2"], ["size_m2", "size_m2_2", "size_m2_2_2"]),
    (["int", "linux", "NAN"], ["int_", "linux_", "NAN_"]),
    (["2nd", "", "\N{SNOWMAN}", "caf\xe9"], ["x2nd", "x1", "x2", "cafe"]),
    (["x" * 99], ["x" * 48]),
]


@pytest.mark.parametrize(("names", "expected"), IDENTIFIERS)
def test_identifiers(names, expected):
    assert c_text.identifiers(names) == expected


def test_texts():
    assert c_text.literal('a"b\\c?\n\N{SNOWMAN}', "it") == r'"a\042b\134c\077\012\342\230\203"'
    assert c_text.comment("/* ??/ */\n\N{SNOWMAN}\\") == "/ * ?/ * / \\u2603"
    for bad, why in {"a\0": "holds a zero byte", "a" * 4001: "more than 4,000 bytes"}.items():
        with pytest.raises(ValueError, match=f"a class is .* which .*{why}.*rename it"):
            c_text.literal(bad, "a class")
    with pytest.raises(ValueError, match="which UTF-8 cannot hold"):
        c_text.literal("\udc80", "a class")


def test_rows_break_between_items():
    items = [f'"a b {i}, c"' for i in range(300)]
    lines = c_text.rows(items).split(",\n")
    assert max(map(len, lines)) <= 100 and all(line.startswith('    "a b') for line in lines)
    assert ", ".join(line.strip() for line in lines) == ", ".join(items)
    assert c_text.rows(["x" * 200, "y"]) == f"    {'x' * 200},\n    y"


def test_numbers_are_read_as_they_were():
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        extremes = info.max, info.tiny, info.smallest_subnormal
        x = np.array([0, -0.0, 1, 1e-5, 1e20, 1 / 3, *extremes], dtype)
        texts = c_text.c_numbers(x)
        for text in texts:
            assert ("." in text or "e" in text) and text.endswith("f") == (dtype == np.float32)
        np.testing.assert_array_equal([dtype(t.rstrip("f")) for t in texts], x)
