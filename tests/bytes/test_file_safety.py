"""Reading a file runs no code of it: no pickle, eval or exec, neither in the source nor at run time.
Deeply nested JSON is refused."""

import ast
import json
import re
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import processes
import pytest
from places import MODEL_FILES

import fastnn
from fastnn.files.json_values import MAX_DEPTH, is_nested, parse_json
from fastnn.files.safetensors import reading

SOURCES = sorted(Path(fastnn.__file__).parent.rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "code"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_OPTIONS = {"allow_pickle"}
ALLOWED = {
    "__main__.py": ["exec"],  # of an empty text
    # a description of parameters, to compare them; it is never read back
    "model_selection/folds.py": ["import pickle", "dumps"],
    # tasks for the workers of the caller's own executor, and their shared objects in a temporary
    # file of the caller, whose digest comes with the task; no file of a user is read
    "distributed/shared_objects.py": [
        *("import pickle", "dumps", "loads", "Unpickler", "import cloudpickle"),
        "from joblib.externals import",
    ],
}


def violations(tree):
    """Yield what may run code from data, as written in the source."""

    def is_forbidden(node):
        return isinstance(node, ast.Name) and node.id in FORBIDDEN_MODULES

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (f"import {n}" for n in names if n.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if node.module.split(".")[0] in FORBIDDEN_MODULES:
                yield f"from {node.module} import"
        elif isinstance(node, ast.ClassDef):
            bases = [base for base in node.bases if isinstance(base, ast.Attribute)]
            yield from (base.attr for base in bases if is_forbidden(base.value))
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in FORBIDDEN_CALLS:
                yield function.id
            elif isinstance(function, ast.Attribute):
                if is_forbidden(function.value) or function.attr in ("read_pickle", "to_pickle"):
                    yield function.attr
            yield from (k.arg for k in node.keywords if k.arg in FORBIDDEN_OPTIONS)


def test_the_check_finds_violations():
    source = """
import pickle, numpy as np
from marshal import loads
eval("1"), pickle.load(file), np.load(file, allow_pickle=True), pandas.read_pickle(file)
class Reader(pickle.Unpickler): pass
re.compile("a"), text.format()
"""
    found = list(violations(ast.parse(source)))
    expected = ["import pickle", "from marshal import", "eval", "load", "allow_pickle"]
    assert sorted(found) == sorted([*expected, "read_pickle", "Unpickler"])


def test_no_source_file_uses_pickle_eval_or_exec():
    assert len(SOURCES) > 50
    root, found = Path(fastnn.__file__).parent, {}
    for path in SOURCES:
        for what in violations(ast.parse(path.read_text("utf-8"))):
            found.setdefault(path.relative_to(root).as_posix(), set()).add(what)
    assert found == {name: set(what) for name, what in ALLOWED.items()}


READ = """
import os, sys, warnings, numpy as np, fastnn
folder, *kinds = sys.argv[1:]
readers = {}
for kind in kinds:
    ending = kind if kind in ("csv", "parquet") else "safetensors"
    path = os.path.join(folder, f"{kind}.{ending}")
    if kind == "network":
        X = np.ones((20, 3))
        net = fastnn.MLP([3, 4, 1], dropout=0.1, rng=0)
        net.fit(X, X[:, 0], epochs=2, validation_fraction=0.2, optimizer=fastnn.Adam(average=0.9))
        net.save(path)
        read = fastnn.load
    elif kind == "collection":
        fastnn.save_many([fastnn.MLP([3, 1]), fastnn.MLP([3, 1])], path)
        read = fastnn.load_many
    elif kind == "estimator":
        rows = [[i / 40, "ab"[i % 2], f"2024-01-{1 + i % 28:02}"] for i in range(40)]
        warnings.simplefilter("ignore")
        fastnn.TabularRegressor(2, hidden_layer_sizes=4).fit(rows, list(range(40))).save(path)
        read = fastnn.load
    else:
        from fastnn.tables import files
        files.write(path, {"a": [1.5, 2.5], "b": ["x", "2024-01-31"]})
        read = files.read
    read(path)  # imports what it needs
    readers[path] = read
events = set()
sys.addaudithook(lambda event, arguments: events.add(event))
for path, read in readers.items():
    events.clear()
    read(path)
    print(*sorted(events))
"""
RUNS_CODE = r"compile|exec|code\.__new__|pickle\.|marshal\.|import|os\.system|os\.exec|subprocess\.|ctypes\.|socket\."


@pytest.mark.slow("test_no_source_file_uses_pickle_eval_or_exec")
def test_reading_a_file_runs_no_code(tmp_path):
    kinds = ["network", "collection"]
    kinds += ["estimator"] if find_spec("sklearn") else []
    kinds += ["csv", "parquet"] if find_spec("pyarrow") else []
    done = processes.run(READ, tmp_path, *kinds)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(kinds)
    for kind, events in zip(kinds, map(str.split, lines)):
        assert "open" in events, kind
        assert not [event for event in events if re.match(RUNS_CODE, event)], kind


# ---- deeply nested JSON ----


def nested(depth):
    """JSON text with so many levels, and with brackets in texts, which are none."""
    text = '["[[[[{", "\\"[[", "\\\\", {}]'
    for level in range(2, depth):
        text = f'{{"[{level}": {text}}}' if level % 2 else f"[[], {text}]"
    return text


@pytest.mark.parametrize("encode", [str, str.encode])
def test_json_has_at_most_fifty_levels(encode):
    text = nested(MAX_DEPTH)
    assert parse_json(encode(text), "x") == json.loads(text)
    with pytest.raises(fastnn.ModelFileError, match="x is not JSON: more than 50 levels of lists"):
        parse_json(encode(nested(MAX_DEPTH + 1)), "x")


NO_JSON = {  # name: (text, bytes)
    "lists": ("[" * 5_000_000, 100_000),
    "mappings": ('{"a":' * 1_000_000, 100_000),
    "a text": ('"[' + "\\" * 5_000_001, 4_000_000),
}


@pytest.mark.parametrize("name", NO_JSON)
def test_text_that_is_no_json_is_refused_in_little_memory(name):
    """Also where the stack of the machine is the only limit of `json`."""
    text, limit = NO_JSON[name]
    tracemalloc.start()
    try:
        with pytest.raises(fastnn.ModelFileError, match="x is not JSON"):
            parse_json(text, "x")
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def test_models_have_few_levels():
    paths = sorted(MODEL_FILES.rglob("*.safetensors"))
    assert len(paths) > 5
    for path in paths:
        with reading(path) as reader:
            texts = [json.dumps(reader.entries), *reader.metadata.values()]
            assert not any(is_nested(text, 9) for text in texts)
