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
LESSONS = (
    "four_lines.md",
    "losses.md",
    "optimizers.md",
    "estimators.md",
    "ensembles.md",
    "model_selection.md",
    "many.md",
    "streams.md",
    "tables.md",
    "tabular.md",
    "scores.md",
    "explanations.md",
    "plots.md",
    "moving.md",
    "table_files.md",
    "export.md",
    "model_file.md",
    "serving.md",
)  # with Python to run
PAGES = {
    name: (DOCS / name).read_text(encoding="utf-8")
    for name in (*LESSONS, "guide.md", "index.md", "install.md", "performance.md", "start.md")
}
NEEDS = {
    "optimizers.md": "scipy",
    "estimators.md": "sklearn",
    "ensembles.md": "sklearn",
    "model_selection.md": "sklearn",
    "moving.md": "sklearn",
    "tabular.md": "sklearn",
    "scores.md": "sklearn",
    "explanations.md": "matplotlib",
    "plots.md": "matplotlib",
    "streams.md": "pyarrow",
    "table_files.md": "pyarrow",
    "export.md": "onnxruntime",
    "model_file.md": "safetensors",
    "serving.md": "fastapi",
}


def program(text):
    """The Python blocks of a page, with empty lines for the rest: this keeps line numbers."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            line = ""
        kept.append(line if inside else "")
    return "\n".join(kept) + "\n"


LONG = ("estimators.md", "explanations.md", "scores.md", "serving.md", "streams.md", "tabular.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow("tests of what the page shows"))
        if page in LONG
        else page
        for page in LESSONS
    ],
)
def test_code_of_the_guide_runs(page, tmp_path, monkeypatch):
    """A comment `# -> TEXT` says what the line prints."""
    if page in NEEDS:
        pytest.importorskip(NEEDS[page], reason=f"the page needs the extra {NEEDS[page]}")
    monkeypatch.chdir(tmp_path)
    code = program(PAGES[page])
    shown = run_program(code, page)
    promised = re.findall(r"^\s*print\(.*# -> (.*)$", code, re.M)
    assert len(promised) == len(re.findall(r"^\s*print\(", code, re.M)) > 0, (
        "every print says what it shows"
    )
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
    for link in links:
        if not link.startswith("https://"):
            path, _, heading = link.partition("#")
            target = DOCS / path if path else DOCS / page
            if path.startswith("../src/") and not (DOCS.parent / "src").exists():
                continue  # the tests of a wheel have no sources beside them
            assert target.exists(), link
            if heading:
                headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
                assert heading in {
                    re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings
                }, link


def missing(page, names):
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", PAGES[page])]


def test_every_loss_is_named():
    assert not missing(
        "losses.md",
        [*fastnn.losses.LOSSES, *(loss.__name__ for loss in fastnn.losses.LOSSES.values())],
    )


def test_every_optimizer_schedule_initializer_and_shared_setting_is_named():
    optimizers = fastnn.optimizers.OPTIMIZERS
    settings = {
        setting for optimizer in optimizers.values() for setting in optimizer.__dataclass_fields__
    }
    initializers, schedules = fastnn.initializers.INITIALIZERS, fastnn.schedules.SCHEDULES
    names = [
        *(optimizer.__name__ for optimizer in optimizers.values()),
        *settings,
        *schedules,
        *initializers,
    ]
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
    theirs = pytest.importorskip(
        "sklearn.neural_network", reason="the estimators need the extra sklearn"
    )
    names = set()
    for ours in fastnn.MLPClassifier, fastnn.MLPRegressor:
        own = getattr(theirs, ours.__name__)
        names |= set(inspect.signature(ours).parameters) - set(inspect.signature(own).parameters)
        names |= {
            name for name in set(dir(ours)) - set(dir(own)) if not name.startswith(("_", "set_"))
        }
    assert {"dropout", "calibrate", "class_weight"} <= names and not missing("estimators.md", names)
