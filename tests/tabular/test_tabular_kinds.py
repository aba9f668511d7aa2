"""Each row of the table of kinds has what the estimators, the command line, files and docs need."""

import inspect
import pathlib

import pytest

import fastnn
from fastnn import TabularClassifier, TabularRegressor, cli
from fastnn.tabular.columns import KINDS, features

DOCS = pathlib.Path(fastnn.__file__).parents[1] / "docs"
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_the_estimators_have_the_argument(kind):
    argument = KINDS[kind].argument
    for estimator in (TabularClassifier, TabularRegressor):
        assert argument in inspect.signature(estimator).parameters
        assert argument in estimator._parameter_constraints
    assert argument in inspect.getdoc(TabularClassifier)


@each_kind
def test_the_command_line_has_the_option(kind, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert f"--{kind} " in capsys.readouterr().out


@each_kind
def test_a_file_holds_the_column(kind):
    column = KINDS[kind]("a", None, True)
    assert features.from_json(column.to_json()) == column and column.is_style()
    assert column.number_parts or column.category_parts


@each_kind
@pytest.mark.skipif(not DOCS.exists(), reason="installed from a wheel: the docs are not here")
@pytest.mark.parametrize("page", ["tabular.md", "model_file.md"])
def test_the_docs_name_the_kind(kind, page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert kind in text if page == "tabular.md" else f'`"{kind}"`' in text
