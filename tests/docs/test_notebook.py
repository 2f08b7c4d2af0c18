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


def test_outputs_are_committed_and_name_no_machine(notebook, tmp_path):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [output for cell in cells for output in cell.outputs]
    kinds = {kind for output in shown for kind in output.get("data", ())}
    printed = "".join(output.get("text", "") for output in shown)
    assert "image/png" in kinds, "scripts/execute_notebook.py writes the outputs"
    assert "registered as" in printed
    assert (
        printed.count("x10 would save") == 2
    )  # the study's, by its verdict, and the planted law's
    assert not any(folder in str(shown) for folder in ("/tmp/", "/home/", "/root/"))
    assert all(cell.execution_count for cell in cells)


def test_the_site_shows_the_notebook_with_its_outputs(notebook, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs/_ext")
    from notebook_page import markdown

    page = markdown(NOTEBOOK, tmp_path / "pictures")
    drawn = list((tmp_path / "pictures").glob("*.png"))
    assert drawn
    assert all(f"(pictures/{path.name})" in page for path in drawn)
    assert "x10 would save" in page
    assert page.startswith("# First study")


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
