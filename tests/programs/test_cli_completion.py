"""fastnn completion: the script, as bash runs it."""

import shutil
import subprocess
import sys

import pytest

pytest.importorskip("shtab", reason="the extra cli is not installed")

#: Print what bash offers for the last of some words.
COMPLETE = """
source ./script
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_fastnn
printf '%s\\n' "${COMPREPLY[@]}"
"""
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(run, shell):
    code, out, errors = run("completion", shell)
    assert (code, errors) == (0, "")
    for text in ("fastnn", "predict", "target", "threshold", "completion", "onnx"):
        assert text in out


@bash
def test_bash_completes(run, tmp_path):
    (tmp_path / "script").write_text(run("completion", "bash")[1], encoding="utf-8")
    for name in ("flats.csv", "rent.safetensors"):
        (tmp_path / name).touch()

    def complete(*words):
        command = ["bash", "--norc", "-c", COMPLETE, "bash", *words]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        return result.stdout.split()

    assert complete("fastnn", "pre") == ["predict"]
    assert complete("fastnn", "train", "--tar") == ["--target"]
    assert complete("fastnn", "predict", "ren") == ["rent.safetensors"]
    assert complete("fastnn", "train", "fla") == ["flats.csv"]
    assert complete("fastnn", "train", "flats.csv", "--out", "re") == ["rent.safetensors"]
    assert "classes" in complete("fastnn", "train", "flats.csv", "--task", "")


def test_mistakes(run, monkeypatch):
    assert "invalid choice: 'tcsh'" in run("completion", "tcsh")[2]
    monkeypatch.setitem(sys.modules, "shtab", None)
    code, out, errors = run("completion", "bash")
    assert (code, out) == (2, "") and "completion needs shtab, which is not installed." in errors
