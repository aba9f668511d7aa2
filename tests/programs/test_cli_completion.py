"""fastnn completion: the script, as the shells run it."""

import shutil
import subprocess
import sys

import pytest
from processes import LIMIT

pytest.importorskip("shtab", reason="the extra cli is not installed")

#: Print what a shell offers for the last of some words.
BASH = """
source ./script
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_fastnn
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = """
source ./script
for line in (complete -C "$argv"); echo (string split -- \\t $line)[1]; end
"""
#: zsh completes only what is typed: print the last word after a tab.
ZSH = """
mkdir functions && cp script functions/_fastnn
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'fpath+=$PWD/functions; autoload -Uz compinit; compinit -u -D'
zpty -w shell 'report() { print -r -- $BUFFER > completed; exit }; zle -N report; bindkey "^Xr" report'
zpty -w -n shell "$*"$'\\t\\C-xr'
while zpty -r shell line; do :; done
line=$(< completed); print -r -- ${${=line}[-1]}
rm -r functions completed
"""
COMMANDS = {
    "bash": ["--norc", "-c", BASH, "bash"],
    "zsh": ["-f", "-c", ZSH, "zsh"],
    "fish": ["--no-config", "-c", FISH, "--"],
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(run, shell):
    out, errors = run.ok("completion", shell)
    words = "fastnn", "predict", "target", "threshold", "completion", "onnx"
    assert errors == "" and [word for word in words if word not in out] == []


@pytest.mark.parametrize("shell", COMMANDS)
def test_a_shell_completes(run, tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(run("completion", shell)[1], encoding="utf-8")
    for name in ("flats.csv", "rent.safetensors"):
        (tmp_path / name).touch()

    def complete(*words):
        options = dict(capture_output=True, text=True, cwd=tmp_path, timeout=LIMIT)
        result = subprocess.run([shell, *COMMANDS[shell], *words], **options)
        assert result.returncode == 0, result.stderr
        return result.stdout.split()

    assert complete("fastnn", "pre") == ["predict"]
    assert "--target" in complete("fastnn", "train", "--tar")
    assert complete("fastnn", "predict", "ren") == ["rent.safetensors"]
    assert complete("fastnn", "train", "fla") == ["flats.csv"]
    assert complete("fastnn", "train", "flats.csv", "--out", "re") == ["rent.safetensors"]
    assert complete("fastnn", "train", "flats.csv", "--task", "bi") == ["binary"]


def test_mistakes(run, monkeypatch):
    assert "invalid choice: 'tcsh'" in run("completion", "tcsh")[2]
    monkeypatch.setitem(sys.modules, "shtab", None)
    code, out, errors = run("completion", "bash")
    assert (code, out) == (2, "") and "completion needs shtab, which is not installed." in errors
