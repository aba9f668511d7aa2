"""The guide in docs/: its code runs, and it names every loss, optimizer and parameter. The Python
blocks of a page run in order, in one namespace, in a temporary folder.
"""

import inspect
import re

import pytest
from pages import keeps, run_program
from places import DOCS

import fastnn

if not DOCS.exists():
    pytest.skip("there is no docs/ beside these tests", allow_module_level=True)
#: Pages with Python to run, and the package that they need, if any.
LESSONS = """four_lines; losses; optimizers: scipy; estimators: sklearn; ensembles: sklearn;
    model_selection: sklearn; many; streams: pyarrow; tables; tabular: sklearn; rules: sklearn;
    scores: sklearn;
    explanations: matplotlib; plots: matplotlib; moving: sklearn; table_files: pyarrow;
    derivatives: sklearn; export: onnxruntime; model_file: safetensors; serving: fastapi"""
NEEDS = {}
for lesson in LESSONS.split(";"):
    name, _, package = lesson.strip().partition(": ")
    NEEDS[f"{name}.md"] = package
OTHERS = "guide.md", "index.md", "install.md", "performance.md", "start.md"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in (*NEEDS, *OTHERS)}


def program(text):
    """The Python blocks of a page, with empty lines for the rest: this keeps line numbers."""
    parts = re.split(
        r"^```(.*)\n", text, flags=re.M
    )  # text, then language and text again and again
    kept = [re.sub(r".+", "", parts[0])]
    for language, part in zip(parts[1::2], parts[2::2]):
        kept.append("\n" + (part if language == "python" else re.sub(r".+", "", part)))
    return "".join(kept)


LONG = ("estimators.md", "explanations.md", "scores.md", "serving.md", "streams.md", "tabular.md")
SLOW = {page: pytest.mark.slow("tests of what the page shows") for page in LONG}


@pytest.mark.spread(5)
@pytest.mark.parametrize("page", [pytest.param(page, marks=SLOW.get(page, ())) for page in NEEDS])
def test_code_of_the_guide_runs(page, tmp_path, monkeypatch):
    """A comment `# -> TEXT` says what the line prints."""
    if NEEDS[page]:
        pytest.importorskip(NEEDS[page], reason=f"the page needs the extra {NEEDS[page]}")
    monkeypatch.chdir(tmp_path)
    code = program(PAGES[page])
    shown = run_program(code, page)
    promised = re.findall(r"^\s*print\(.*# -> (.*)$", code, re.M)
    n_prints = len(re.findall(r"^\s*print\(", code, re.M))
    assert len(promised) == n_prints > 0, "every print says what it shows"
    broken = [pair for pair in zip(promised, shown.splitlines(), strict=True) if not keeps(*pair)]
    assert not broken


@pytest.mark.parametrize("page", PAGES)
def test_lines_fit_a_terminal(page):
    text = PAGES[page]
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 80


@pytest.mark.parametrize("page", [path.name for path in sorted(DOCS.glob("*.md"))])
def test_links_are_valid(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links or page not in PAGES
    for path, _, heading in (link.partition("#") for link in links if link[:8] != "https://"):
        target = DOCS / path if path else DOCS / page
        if path.startswith("../src/") and not (DOCS.parent / "src").exists():
            continue  # the tests of a wheel have no sources beside them
        assert target.exists(), path
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            words = (re.sub(r"[^\w -]", "", text.lower()) for text in headings)
            assert heading in {text.replace(" ", "-") for text in words}, heading


def missing(page, names):
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", PAGES[page])]


def test_every_loss_is_named():
    classes = fastnn.losses.LOSSES.values()
    assert not missing("losses.md", [*fastnn.losses.LOSSES, *(each.__name__ for each in classes)])


def test_every_optimizer_schedule_initializer_and_shared_setting_is_named():
    optimizers = fastnn.optimizers.OPTIMIZERS.values()
    settings = {name for optimizer in optimizers for name in optimizer.__dataclass_fields__}
    names = [optimizer.__name__ for optimizer in optimizers]
    names += [*settings, *fastnn.schedules.SCHEDULES, *fastnn.initializers.INITIALIZERS]
    assert not missing("optimizers.md", names)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_parameter_of_an_estimator_is_named(name):
    pytest.importorskip("sklearn", reason="the estimators need the extra sklearn")
    parameters = inspect.signature(getattr(fastnn, name)).parameters
    assert len(parameters) > 25
    table = PAGES["moving.md"].split("### Parameters")[1].split("\n###")[0]
    assert not [parameter for parameter in parameters if f"`{parameter}`" not in table]


def test_what_the_estimators_add_is_explained():
    """Parameters, attributes and methods that scikit-learn's estimators do not have."""
    reason = "the estimators need the extra sklearn"
    theirs = pytest.importorskip("sklearn.neural_network", reason=reason)
    names = set()
    for ours in fastnn.MLPClassifier, fastnn.MLPRegressor:
        own = getattr(theirs, ours.__name__)
        names |= set(inspect.signature(ours).parameters) - set(inspect.signature(own).parameters)
        more = set(dir(ours)) - set(dir(own))
        names |= {name for name in more if not name.startswith(("_", "set_"))}
    assert {"dropout", "calibrate", "class_weight"} <= names and not missing("estimators.md", names)
