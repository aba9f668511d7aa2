"""scikit-learn's own tests of what fastnn stands in for: each passes, or fails for the reason that the guide
"Moving to fastnn" gives."""

import os
import re
import subprocess
import sys

import pytest
import sklearn
from places import DOCS, SUPPORT

VERSION = "1.9."
MODULES = ["neural_network.tests.test_mlp", "model_selection.tests.test_validation"]


@pytest.mark.slow("test_estimator_equals_sklearn.py compares results")
@pytest.mark.skipif(
    not sklearn.__version__.startswith(VERSION),
    reason=f"the list is of the tests of scikit-learn {VERSION}*, not {sklearn.__version__}",
)
@pytest.mark.skipif(not DOCS.exists(), reason="the list is in docs/, which is not here")
@pytest.mark.parametrize("module", MODULES)
def test_those_that_fail_are_listed(tmp_path, module):
    command = "-m", "pytest", "-q", "-p", "stand_in", "-p", "no:cacheprovider", "-W", "ignore"
    run = subprocess.run(
        [sys.executable, *command, "-rfE", "--tb=line", "--pyargs", f"sklearn.{module}"],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    failed = re.findall(r"^(?:FAILED|ERROR) \S*::(test_\S+)", run.stdout, re.MULTILINE)
    passed = int(re.search(r"(\d+) passed", run.stdout)[1])
    section = next(part for part in sections() if f"{passed} of {passed + len(failed)} of" in part)
    listed = re.findall(r"`(test_[^`]+)`", section)
    assert {without_parameters(name) for name in failed} == set(listed), run.stdout


def sections():
    """Return the two parts of the guide that have tables of tests."""
    page = (DOCS / "moving.md").read_text()
    return re.split(r"^(?=\d+ of \d+ of )", page, flags=re.MULTILINE)[1:]


def without_parameters(name):
    """Return the name of a test without parameters, except for estimators."""
    test, _, parameters = name.partition("[")
    return name if "MLP" in parameters else test
