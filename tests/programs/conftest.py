"""Random numbers, and the folder of models that commands read."""

import os
import shutil

import numpy as np
import pytest


@pytest.fixture
def rng():
    """The random numbers of small tables: those of the seed 0."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def written_models(tmp_path_factory):
    """A folder with the files of `cli_models.write_models`."""
    from cli_models import write_models

    folder, here = tmp_path_factory.mktemp("models"), os.getcwd()
    os.chdir(folder)
    try:
        write_models()
    finally:
        os.chdir(here)
    return folder


@pytest.fixture(scope="module")
def folder(written_models, tmp_path_factory):
    """A folder with the tables and models of `cli_models.write_models`, for one module."""
    return shutil.copytree(written_models, tmp_path_factory.mktemp("module") / "models")


@pytest.fixture
def models(run, folder, monkeypatch):
    """Let `run` work in `folder`. The next test finds it as this one did."""
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path in set(folder.iterdir()) - before.keys():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
