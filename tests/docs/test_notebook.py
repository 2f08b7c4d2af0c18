"""The notebook runs from its first cell to its last, in any folder, and says what it promises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/first_study.ipynb"


@pytest.fixture
def notebook():
    if not NOTEBOOK.exists():
        pytest.skip("examples are not part of an installed package")
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def test_outputs_are_not_committed(notebook):
    for cell in notebook.cells:
        assert not cell.get("outputs"), "clear all outputs before committing"


def test_runs_from_first_cell_to_last(notebook, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), *_path()]))
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert "11 runs, registered as" in printed
    assert any(f"{word}:" in printed for word in ("LAW", "TURNS", "INVERSE", "INDETERMINATE"))
    assert "x10 would save" in printed
    kinds = {
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", ())
    }
    assert "image/png" in kinds
    assert (tmp_path / "first_study/studies/first_study/law.json").exists()


def _path():
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
