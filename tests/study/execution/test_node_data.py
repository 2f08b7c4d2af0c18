"""Data on a node: shipped once, kept by digest, never another content."""

from __future__ import annotations

import json

import pytest

from finscale.data import DataStore
from finscale.errors import FinscaleError
from finscale.experiment.preparation import prepare
from finscale.runs import run_id
from finscale.study.execution.node_data import DataParts, data_folder, node_cache


@pytest.fixture
def parts(tiny) -> DataParts:
    return DataParts.of(tiny)


@pytest.fixture
def fetch(tiny, parts):
    """Return what a node asks for files, which counts in ``asked``."""
    asked: list[str] = []
    paths = {sha256: tiny.data.root / path for path, sha256 in parts.files.items()}

    def get(sha256: str) -> bytes:
        asked.append(sha256)
        return paths[sha256].read_bytes()

    get.asked = asked
    return get


def test_a_node_prepares_the_same_run(tiny, parts, fetch, tmp_path):
    there = prepare(tiny)
    folder = data_folder(parts.to_dict(), tmp_path, fetch)
    here = prepare(tiny, DataStore(folder))
    assert here.run_id == there.run_id == run_id(there.config, parts.digests)
    assert DataStore(folder).verify() == []
    assert len(fetch.asked) == len(set(parts.files.values())) >= 2


def test_files_are_fetched_once_for_all_studies_of_a_node(tiny, parts, fetch, tmp_path):
    data_folder(parts.to_dict(), tmp_path, fetch)
    again = data_folder(parts.to_dict(), tmp_path, fetch)
    other = {**parts.to_dict(), "name": "of-another-study"}
    beside = data_folder(other, tmp_path, fetch)
    assert len(fetch.asked) == len(set(parts.files.values()))
    (path, *_) = parts.files
    assert (again / path).stat().st_ino == (beside / path).stat().st_ino


def test_a_later_version_is_found_without_the_earlier_files(tiny, tmp_path):
    store = DataStore(tmp_path / "data")
    config = tiny.model_copy(update={"data": tiny.data.model_copy(update={"root": store.root})})
    prepare(config)
    (symbol,) = config.data.symbols
    bars = store.bars(symbol)
    store.add_bars(type(bars)(**{**vars(bars), "frame": bars.frame.head(len(bars.frame) - 5)}))
    parts = DataParts.of(config)
    versions = [entry["version"] for entry in parts.manifests["raw"]]
    assert versions == ["v1", "v2"]
    paths = {sha256: store.root / path for path, sha256 in parts.files.items()}
    (tmp_path / "node").mkdir()
    folder = data_folder(parts.to_dict(), tmp_path / "node", lambda one: paths[one].read_bytes())
    assert len(list((folder / "raw").rglob("*.parquet"))) == 1
    assert prepare(config, DataStore(folder)).run_id == prepare(config).run_id


def test_a_damaged_cache_is_mended(parts, fetch, tmp_path):
    folder = data_folder(parts.to_dict(), tmp_path, fetch)
    path, sha256 = next(iter(parts.files.items()))
    content = (folder / path).read_bytes()
    (folder / path).write_bytes(content[:-1])  # one file by two names
    from finscale.study.execution import node_data

    node_data._is_intact.cache_clear()  # as in a process that starts
    folder = data_folder(parts.to_dict(), tmp_path, fetch)
    assert (folder / path).read_bytes() == content
    assert fetch.asked.count(sha256) == 2


def test_another_content_than_was_meant_is_refused(parts, tmp_path):
    with pytest.raises(FinscaleError, match="another content"):
        data_folder(parts.to_dict(), tmp_path, lambda sha256: b"something else")
    assert not any((tmp_path / "data").glob("[!.]*"))


def test_parts_are_plain_values(parts):
    assert json.loads(json.dumps(parts.to_dict())) == parts.to_dict()


def test_the_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FINSCALE_NODE_CACHE", str(tmp_path / "here"))
    assert node_cache() == tmp_path / "here"
    assert node_cache().stat().st_mode & 0o777 == 0o700
