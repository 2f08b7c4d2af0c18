"""The documentation's own modules and pages, where they are at hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def docs() -> Path:
    folder = ROOT / "docs"
    if not folder.exists():
        pytest.skip("docs are not part of an installed package")
    return folder


@pytest.fixture
def extension(docs, monkeypatch):
    """Import a module of docs/_ext; they need Sphinx only where they talk to it."""
    monkeypatch.syspath_prepend(str(docs / "_ext"))

    def load(name: str):
        import importlib

        module = importlib.import_module(name)
        monkeypatch.delitem(sys.modules, name)
        return module

    return load
