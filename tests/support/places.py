"""Folders that tests read."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
DATA = TESTS / "data"
MODEL_FILES = DATA / "model_files"  # written by earlier versions
SUPPORT = TESTS / "support"
ROOT = TESTS.parent  # beside a wheel it has tests/, README.md and pyproject.toml alone
DOCS = ROOT / "docs"
SOURCES = ROOT / "src"
EXAMPLES = ROOT / "examples"
