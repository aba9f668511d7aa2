"""What a new user's machine lacks: setup.py and `import fastnn` say what to install or to do."""

import contextlib
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import types

import pytest
from places import ROOT
from setuptools import Distribution, Extension
from setuptools.errors import CompileError

if not (ROOT / "setup.py").exists():
    pytest.skip("there is no setup.py beside these tests", allow_module_level=True)
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def build_extensions():
    """The class of setup.py that compiles."""
    with contextlib.chdir(ROOT):
        return runpy.run_path("setup.py")["BuildExtensions"]


@pytest.fixture
def build(build_extensions, monkeypatch, tmp_path):
    """A function that creates a build of one extension, whose source is no C."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extension.c").write_text("no C")
    extension = Extension("extension", ["extension.c"])
    return lambda: build_extensions(Distribution({"ext_modules": [extension]}))


def message(command):
    """Run a build that fails and return its message."""
    command.ensure_finalized()
    with pytest.raises(CompileError) as error:
        command.run()
    return str(error.value)


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler(build, monkeypatch, compiler):
    monkeypatch.setenv("CC", compiler)
    assert message(build()) == (
        f"fastnn is compiled from C. This needs a C compiler (`{compiler}` is not installed, "
        "or finds no C library).\n"
        "Install what is missing, and run the same command again:\n"
        "    Debian, Ubuntu: apt install gcc libc6-dev\n"
        "    Fedora, RHEL:   dnf install gcc\n"
        "    macOS:          xcode-select --install\n"
        "To build with another compiler, set the variable CC, for example to clang."
    )


def test_without_headers_of_python(build):
    command = build()
    command.ensure_finalized()
    command.include_dirs = []
    assert message(command) == (
        f"fastnn is compiled from C. This needs the headers of Python {VERSION} "
        "(Python.h was not found).\n"
        "Install what is missing, and run the same command again:\n"
        f"    Debian, Ubuntu: apt install python{VERSION}-dev\n"
        f"    Fedora, RHEL:   dnf install python{VERSION}-devel"
    )


def test_without_both(build, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    command = build()
    command.ensure_finalized()
    command.include_dirs = []
    text = message(command)
    assert f"    Debian, Ubuntu: apt install gcc libc6-dev python{VERSION}-dev\n" in text
    assert f"    Fedora, RHEL:   dnf install gcc python{VERSION}-devel\n" in text


def test_other_errors_are_those_of_the_compiler(build):
    assert "extension.c" in message(build())


def test_an_older_python(build_extensions, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    with pytest.raises(SystemExit, match=rf"fastnn needs Python {re.escape(oldest)} or newer, "):
        runpy.run_path("setup.py")


def test_frozen_programs_have_the_data_of_packages(monkeypatch):
    """Those of the command line are not frozen, nor are declarations for compilers."""
    hooks = types.ModuleType("PyInstaller.utils.hooks")
    hooks.collect_submodules = lambda *_, **options: []
    hooks.collect_data_files = lambda package: [package]
    monkeypatch.setitem(sys.modules, hooks.__name__, hooks)
    hook = runpy.run_path(str(ROOT / "fastnn/_pyinstaller/hook-fastnn.py"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["package-data"]
    assert {*hook["datas"]} == {*packages} - {"fastnn", "fastnn.cli.html_report"}


def test_a_clone_that_is_not_built(tmp_path):
    package = tmp_path / "fastnn"
    package.mkdir()
    shutil.copy(ROOT / "fastnn/__init__.py", package)
    command = [sys.executable, "-c", "import fastnn"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert f"ImportError: The fastnn source tree at {package} has no compiled" in result.stderr
