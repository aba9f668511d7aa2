"""Text of model files and tables that others wrote: it never reaches the terminal with control
characters, and no text ends a command with a traceback."""

import csv
import io
import os
import random
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from cli_cases import FAST, write_csv
from file_edits import join, pack, split, unpack
from scale import scaled

import fastnn
from fastnn.core.messages import printable

pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
pytest.importorskip("pyarrow", reason="tables need the extra cli")

HOSTILE = {
    "escape codes": "\x1b]0;owned\x07\x1b[31mred",
    "C1 controls": "\x9b31mred\x85",
    "delete": "a\x7f\x08b",
    "line ends": "a\nb\r\nc\u2028d",
    "zero byte": "a\x00b",
    "tab": "a\tb",
    "directions": "\u202egpj.exe\u2066",
    "lone surrogate": "a\ud800b",
    "very long": "long " * 5000,
    "one long word": "w" * 9000,
    "empty": "",
    "space": " ",
    "no-break space": "a\xa0b",
    "HTML": "</td><script>alert(1)</script>&amp;\"'",
    "end of a comment": '*/ int main(void) { return 1; } /* ??/ \\ " // \\',
    "markup": "[bold red]x[/] $\\frac{1}$ %s {0} ${x}",
    "option": "--out=x -",
    "right to left": "عربي שלום",
}
NAMES = list(HOSTILE)


def is_clean(text):
    return all(c.isprintable() or c == "\n" for c in text)


def test_printable_text_has_one_line_without_control_characters():
    for text in HOSTILE.values():
        for maximum in (10, 40, 10**6):
            shown = printable(text, maximum)
            assert is_clean(shown) and "\n" not in shown
            assert len(shown) == min(len(text), maximum)
    assert printable("Größe\xa0→ 説明") == "Größe → 説明"


# ---- model files ----


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """{name: content} of model files of all kinds, and a table for those of tables."""
    folder = tmp_path_factory.mktemp("models")
    here = os.getcwd()
    os.chdir(folder)
    try:
        rng = np.random.default_rng(0)
        n = 80
        a, city = rng.normal(size=n), rng.choice(["Rom", "Bern", "Oslo"], n)
        day = [f"2026-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(n)]
        y = np.where(a + (city == "Rom") > 0, "yes", "no")
        write_csv("t.csv", a=a, city=city, day=day, empty=[""] * n, y=y, z=3 + a)
        for target, other in ("yz", "zy"):
            out = f"{target}.safetensors"
            options = ["--target", target, "--drop", other, "--out", out, "--quiet", *FAST]
            assert fastnn.cli.main(["train", "t.csv", *options]) == 0
        X, names = rng.normal(size=(40, 2)), np.array(["a", "b"], object)
        estimator = fastnn.MLPClassifier(3, max_iter=2, n_iter_no_change=np.inf, random_state=0)
        estimator.fit(X, y[:40])
        estimator.feature_names_in_ = names
        estimator.save("estimator.safetensors")
        net = fastnn.MLP([2, 3, 1], rng=0)
        net.metadata = {"units": "cm"}
        optimizer = fastnn.Adam(lr=fastnn.schedules.CosineDecay(1e-3, 10))
        net.fit(X, X[:, 0], epochs=1, optimizer=optimizer)
        net.save("network.safetensors")
        fastnn.save_many({"one": net, "two": net.copy()}, "many.safetensors")
    finally:
        os.chdir(here)
    found = {path.stem: path.read_bytes() for path in folder.glob("*.safetensors")}
    return found, (folder / "t.csv").read_text("utf-8")


def texts_of(value):
    """Yield all texts and keys of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


def renamed(value, old, new, counter):
    """JSON with another text in place of one; counter counts down to the only one to change, or
    is None to change all."""
    if isinstance(value, str) and value == old:
        if counter is None:
            return new
        counter[0] -= 1
        return new if counter[0] == -1 else value
    if isinstance(value, dict):
        items = value.items()
        return {renamed(k, old, new, counter): renamed(x, old, new, counter) for k, x in items}
    return [renamed(x, old, new, counter) for x in value] if isinstance(value, list) else value


def hostile_file(content, old, new, only):
    header, arrays = split(content)
    return join(pack(renamed(unpack(header), old, new, None if only is None else [only])), arrays)


#: Texts of the models of tables that all commands use.
USED = "a", "city", "empty", "y", "z", "Rom", "yes", "no", "all values are missing", "t.csv"


def cases(models):
    """Yield random (model, old text, new text, the occurrence to change or None for all)."""
    places = {}
    for name, content in models.items():
        texts = [x for x in texts_of(unpack(split(content)[0])) if x != "JSON"]
        places[name] = [(x, texts.count(x)) for x in dict.fromkeys(texts)]
    rng = random.Random(0 if scaled(1) == 1 else None)
    for i in range(scaled(60)):
        hostile = NAMES[i % len(NAMES)]
        if i % 2:
            yield rng.choice("yz"), rng.choice(USED), hostile, None
        else:
            name = rng.choice(list(models))
            old, n = rng.choice(places[name])
            yield name, old, hostile, rng.choice([None, rng.randrange(n)])


def write_renamed(table, old, new):
    """Write t.csv with another text in place of one."""
    rows = csv.reader(io.StringIO(table))
    with open("t.csv", "w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([new if cell == old else cell for cell in row] for row in rows)


COMMANDS = [
    *(("info", "m"), ("info", "m", "--json")),
    ("predict", "m", "t.csv", "--out", "o.csv", "--keep", "all"),
    *(("predict", "m", "t.csv", option) for option in ("--json", "--proba")),
    *(("export", "m", "--c", "o.c"), ("export", "m", "--torch", "o.safetensors")),
]
if find_spec("onnx"):
    COMMANDS.append(("export", "m", "--onnx", "o.onnx"))


def wrong_in_command(run, *arguments):
    """Return a list of what is wrong with the output or the exit code of a command."""
    try:
        code, out, errors = run(*arguments)
    except Exception as error:
        return [f"{' '.join(arguments)} raises {error!r:.300}"]
    is_right = code == 0 or (code == 2 and len(errors.splitlines()) <= 2 and not out)
    is_csv = arguments[0] == "predict" and not {"--json", "--out"} & {*arguments}
    if is_right and (is_csv or is_clean(out)) and is_clean(errors):
        return []
    return [f"{' '.join(arguments)}: {code} {out[:300]!r} {errors[:300]!r}"]


def shown(model, capsys):
    """What Python shows of a model."""
    for network in model.values() if isinstance(model, dict) else [model]:
        if isinstance(network, fastnn.MLP):
            network.summary()
    return [repr(model), capsys.readouterr().out]


@pytest.mark.spread(1)
@pytest.mark.parametrize("part", range(4))
def test_every_text_of_a_model_file_in_every_command(models, run, capsys, part):
    models, table = models
    loaded, bad = 0, []
    for name, old, hostile, only in [*cases(models)][part::4]:
        new = HOSTILE[hostile]
        write_renamed(table, old, new)
        Path("m").write_bytes(hostile_file(models[name], old, new, only))
        try:
            model = (fastnn.load_many if name == "many" else fastnn.load)("m")
        except fastnn.ModelFileError as error:
            wrong = [] if is_clean(str(error)) and len(str(error)) < 5000 else [str(error)[:300]]
        else:
            loaded += 1
            wrong = [text for text in shown(model, capsys) if not is_clean(text)]
        for arguments in COMMANDS:
            wrong += wrong_in_command(run, *arguments)
        bad += [(name, old[:40], hostile, only, *wrong)] if wrong else []
    assert not bad, "\n".join(map(str, bad))
    assert loaded > 2


def test_texts_that_utf_8_lacks_are_refused_where_they_cannot_be_used(models, run):
    models, table = models
    Path("t.csv").write_text(table, "utf-8")
    predict, export = ("predict", "m", "t.csv"), ("export", "m", "--onnx", "o.onnx")
    texts = [(predict, "empty", "column"), (predict, "yes", "class")]
    if find_spec("onnx"):
        texts += [(export, "a", "column"), (export, "yes", "class"), (export, "Rom", "category")]
    for command, old, what in texts:
        Path("m").write_bytes(hostile_file(models["y"], old, "a\ud800", None))
        code, out, errors = run(*command)
        reason = "cannot be written in UTF-8" if command is export else "which UTF-8 cannot"
        assert (code, out) == (2, "")
        assert f"the {what} 'a\ufffd'{' ' if command is export else ', '}{reason}" in errors


def test_predictions_are_exact_in_files_and_safe_on_a_terminal(models, monkeypatch, run):
    models, table = models
    Path("t.csv").write_text(table, "utf-8")
    label = "a\x1b[31m\x9bb"
    Path("m").write_bytes(hostile_file(models["y"], "yes", label, None))
    out = run.output("predict", "m", "t.csv")
    assert label in out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = run.output("predict", "m", "t.csv")
    assert is_clean(shown)
    assert shown == out.replace("\x1b", "\ufffd").replace("\x9b", "\ufffd")


@pytest.mark.parametrize("command", ["info", "predict", "export", "train"])
def test_names_of_files_in_errors(command, run):
    options = {"predict": ["t.csv"], "export": ["--c", "o.c"], "train": ["--target=y", "--out=m"]}
    name = "no \x1b[31m\x9b\u202efile.csv"
    code, out, errors = run(command, name, *options.get(command, []))
    assert (code, out) == (2, "") and is_clean(errors) and "no \ufffd[31m" in errors


# ---- tables ----

PLACES = "column", "category", "class", "target", "constant", "file"


def write_hostile(place, text):
    """Write a table with this text in one place. Return its name and that of the target."""
    rng = np.random.default_rng(0)
    n = 60
    x, city = rng.normal(size=n), rng.choice(["Rom", "Bern"], n)
    y = np.where(x > 0, "yes", "no")
    named = {key: text if place == key else key for key in ("column", "target", "constant")}
    columns = {
        named["column"]: x,
        "city": [text if place == "category" and c == "Rom" else c for c in city],
        named["constant"]: ["Earth"] * n,
        named["target"]: [text if place == "class" and c == "yes" else c for c in y],
    }
    file = f"{text[:100].replace('/', '').replace(chr(0), '')}.csv" if place == "file" else "t.csv"
    write_csv(file, **columns)
    return file, named["target"]


def hostile_tables():
    texts = [name for name in NAMES if name not in ("lone surrogate", "empty")]
    tables = [(place, name) for place in PLACES for name in texts]
    rng = random.Random(0 if scaled(1) == 1 else None)
    return [("target", "markup"), *rng.sample(tables, min(scaled(4), len(tables)))]


@pytest.mark.spread(1)
@pytest.mark.parametrize("part", range(5))
def test_every_text_of_a_table_in_every_command(run, part):
    bad, options = [], ["--out", "m", *FAST, "--report", "r.html"]
    options += ["--plot", "p.svg"] if find_spec("matplotlib") else []
    for place, name in hostile_tables()[part::5]:
        Path("m").unlink(missing_ok=True)
        table, target = write_hostile(place, HOSTILE[name])
        wrong = wrong_in_command(run, "train", f"./{table}", f"--target={target}", *options)
        if Path("m").exists():
            report = Path("r.html").read_text("utf-8")
            wrong += [] if is_clean(report) and "<script>alert" not in report else ["report"]
            for arguments in (("info", "m"), ("predict", "m", f"./{table}", "--json")):
                wrong += wrong_in_command(run, *arguments)
        bad += [(place, name, *wrong)] if wrong else []
        Path(table).unlink()
    assert not bad, "\n".join(map(str, bad))
