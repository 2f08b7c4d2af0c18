"""The manifest: append-only, atomic, safe for many processes, and hard to deceive."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from finscale.data.manifest import Addition, FileFacts, ManifestStore
from finscale.errors import DataError, FinscaleError
from finscale.runs import RunStore, exclusive, partial_folder
from finscale.runs.garbage import find_garbage

DAY = dt.date(2020, 1, 2)


def _description(id="SPY.OHLCV.daily", **fields):
    return FileFacts(
        id=id,
        kind="bars",
        symbol="SPY",
        timescale="daily",
        rows=3,
        first_date=DAY,
        last_date=DAY,
        adjustment="split",
        source="csv",
        **fields,
    )


def _register(store, content=b"one", **fields):
    return store.register(
        _description(**fields),
        path=lambda version: f"{version}/SPY.parquet",
        write=lambda path: path.write_bytes(content),
    )


def test_an_entry_says_what_the_file_is(tmp_path):
    store = ManifestStore(tmp_path)
    entry = _register(store)
    assert entry.key == "SPY.OHLCV.daily@v1"
    assert (tmp_path / entry.path).read_bytes() == b"one"
    assert entry.md5 == "f97c5d29941bfb1b2fdab0874906ab82"
    assert entry.sha256 == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert store.get("SPY.OHLCV.daily") == entry
    assert store.entries() == (entry,)
    assert store.content(entry) == b"one"
    assert store.verify() == []


def test_equal_content_is_no_new_version_and_new_content_keeps_the_old(tmp_path):
    store = ManifestStore(tmp_path)
    first = _register(store)
    assert _register(store) == first
    second = _register(store, b"two")
    assert second.version == "v2"
    assert store.get(first.id) == second
    assert store.get(first.id, "v1") == first
    assert store.content(first) == b"one"
    # going back is a version too: the newest is what was registered last
    assert _register(store).version == "v3"
    assert store.verify() == []


def test_parents_are_remembered_by_digest(tmp_path):
    store = ManifestStore(tmp_path)
    parent = _register(store)
    child = _register(store, b"child", id="SPY.features.a20", parents={parent.key: parent.sha256})
    assert child.parents == {"SPY.OHLCV.daily@v1": parent.sha256}


def test_what_is_not_registered_is_named_with_the_nearest(tmp_path):
    store = ManifestStore(tmp_path)
    with pytest.raises(DataError) as caught:
        store.get("SPY.OHLCV.daily")
    assert caught.value.hint == "nothing is registered there yet"
    _register(store)
    with pytest.raises(DataError, match=r"SPX\.OHLCV\.daily is not registered") as caught:
        store.get("SPX.OHLCV.daily")
    assert caught.value.hint == "Did you mean SPY.OHLCV.daily?"
    with pytest.raises(DataError, match="has no version v7"):
        store.get("SPY.OHLCV.daily", "v7")
    assert store.has("SPY.OHLCV.daily")
    assert not store.has("SPX.OHLCV.daily")


def test_a_changed_byte_a_missing_and_an_unregistered_file_are_found(tmp_path):
    store = ManifestStore(tmp_path)
    changed = _register(store, b"one")
    missing = _register(store, b"two")
    (tmp_path / changed.path).write_bytes(b"onE")
    (tmp_path / missing.path).unlink()
    (tmp_path / "stray.parquet").write_bytes(b"stray")
    problems = {str(m.path.relative_to(tmp_path)): m for m in store.verify()}
    assert problems["v1/SPY.parquet"].problem.startswith("has changed: md5 ")
    assert problems["v2/SPY.parquet"].problem == "is missing"
    assert str(problems["stray.parquet"]).endswith("stray.parquet is not registered")
    assert len(problems) == 3
    with pytest.raises(DataError, match="has changed since it was registered"):
        store.content(changed)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        store.content(missing)


def test_registering_the_same_content_again_mends_a_damaged_file(tmp_path):
    store = ManifestStore(tmp_path)
    entry = _register(store)
    (tmp_path / entry.path).write_bytes(b"changed")
    assert not store.is_intact(entry)
    assert _register(store) == entry
    assert store.content(entry) == b"one"
    (tmp_path / entry.path).unlink()
    assert _register(store) == entry
    assert store.verify() == []


@pytest.mark.parametrize("text", ["{", "[]", '{"entries": [{"id": 1}]}', "{}", '{"entries": 3}'])
def test_a_damaged_manifest_is_one_sentence(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FinscaleError, match=r"manifest\.json is not"):
        ManifestStore(tmp_path).entries()


def test_a_writer_that_fails_leaves_everything_as_it_was(tmp_path):
    store = ManifestStore(tmp_path)
    _register(store)
    before = (tmp_path / "manifest.json").read_bytes()

    def full(path):
        path.write_bytes(b"par")
        raise OSError(28, "No space left on device")

    with pytest.raises(FinscaleError, match="No space left on device"):
        store.register(_description(), path=lambda version: f"{version}.parquet", write=full)
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert [p.name for p in tmp_path.rglob("*.parquet")] == ["SPY.parquet"]


def test_a_folder_without_permission_is_one_sentence(unprivileged):
    unprivileged.chmod(0o555)
    with pytest.raises(FinscaleError, match="cannot be written: Permission denied"):
        _register(ManifestStore(unprivileged / "raw"))


def test_a_path_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "raw").write_text("I am no folder")
    with pytest.raises(FinscaleError, match="cannot be written"):
        _register(ManifestStore(tmp_path / "raw"))


_CHILD = """
import datetime as dt, sys, time
from pathlib import Path
from finscale.data.manifest import Addition, FileFacts, ManifestStore

store, name, count = ManifestStore(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
day = dt.date(2020, 1, 2)

def write(path):
    path.write_bytes(f"{name} {i}".encode() * 100)
    if name == "slow":
        print("writing", flush=True)
        time.sleep(60)

def place(version):
    if name == "renaming":
        # the file lies where it belongs, the manifest does not know of it yet
        store._write = lambda entries: (print("writing", flush=True), time.sleep(60))
    return f"{name}/{version}.parquet"

for i in range(count):
    store.register(
        FileFacts(id=name, kind="bars", symbol="SPY", timescale="daily", rows=1, first_date=day,
                    last_date=day, adjustment="split", source="csv"),
        path=place, write=write,
    )
"""


def _spawn(folder, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_CHILD), str(folder), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_registering_at_once_both_succeed(tmp_path):
    children = [_spawn(tmp_path, name, 20) for name in ("left", "right")]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    store = ManifestStore(tmp_path)
    for name in ("left", "right"):
        versions = [entry.version for entry in store.entries() if entry.id == name]
        assert versions == [f"v{i + 1}" for i in range(20)]
    assert store.verify() == []


def test_threads_of_one_process_registering_at_once_all_succeed(tmp_path):
    store = ManifestStore(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: _register(store, str(i).encode()), range(20)))
    assert sorted(e.version for e in store.entries()) == sorted(f"v{i + 1}" for i in range(20))
    assert store.verify() == []


@pytest.mark.parametrize("moment", ["slow", "renaming"])
def test_killed_in_the_middle_the_old_state_stays_and_work_goes_on(tmp_path, moment):
    store = ManifestStore(tmp_path)
    entry = _register(store)
    before = (tmp_path / "manifest.json").read_bytes()
    child = _spawn(tmp_path, moment, 1)
    assert child.stdout.readline() == "writing\n"
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert store.entries() == (entry,)
    assert store.content(entry) == b"one"
    # the lock died with its holder, and what it left behind is overwritten or reported
    after = _register(store, b"two")
    assert after.version == "v2"
    left = [m.path.name for m in store.verify()]
    assert left == ([] if moment == "slow" else ["v1.parquet"])


def test_the_manifest_is_plain_json(tmp_path):
    _register(ManifestStore(tmp_path))
    content = json.loads((tmp_path / "manifest.json").read_text())
    assert content["format"] == 1
    assert content["entries"][0]["first_date"] == "2020-01-02"


def test_what_another_process_registers_is_seen_at_once(tmp_path):
    store, other = ManifestStore(tmp_path), ManifestStore(tmp_path)
    _register(store)
    assert store.get("SPY.OHLCV.daily").version == "v1"
    _register(other, b"two")
    assert store.get("SPY.OHLCV.daily").version == "v2"
    assert _register(store, b"three").version == "v3"
    assert other.get("SPY.OHLCV.daily").version == "v3"
    assert [e.version for e in ManifestStore(tmp_path).entries()] == ["v1", "v2", "v3"]


def test_of_many_files_one_that_fails_leaves_all_unregistered(tmp_path):
    store = ManifestStore(tmp_path)
    _register(store)

    def full(path):
        raise OSError(28, "No space left on device")

    def addition(name, write):
        return Addition(_description(id=name), lambda version: f"{name}.parquet", write)

    good = addition("good", lambda path: path.write_bytes(b"good"))
    with pytest.raises(FinscaleError, match="No space left on device"):
        store.register_all([good, addition("bad", full)])
    assert [e.id for e in store.entries()] == ["SPY.OHLCV.daily"]
    assert [p.name for p in tmp_path.rglob("*.parquet")] == ["SPY.parquet"]
    # twice in one go: the second is the next version, or none where the content is equal
    other = addition("good", lambda path: path.write_bytes(b"better"))
    assert [e.version for e in store.register_all([good, good, other])] == ["v1", "v1", "v2"]


def _edit(folder, path):
    """Let the manifest's first entry name another path."""
    content = json.loads((folder / "manifest.json").read_text())
    content["entries"][0]["path"] = path
    (folder / "manifest.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "v1/../../other.parquet", "..\\up", "", "a\0b"]
)
def test_a_path_that_leads_out_of_the_folder_is_refused_as_such(tmp_path, path):
    _register(ManifestStore(tmp_path / "raw"))
    _edit(tmp_path / "raw", path)
    with pytest.raises(DataError, match=r"the path of SPY\.OHLCV\.daily@v1 leads out of"):
        ManifestStore(tmp_path / "raw").entries()


def test_a_file_behind_a_link_that_leads_out_is_refused_as_such(tmp_path):
    store = ManifestStore(tmp_path / "raw")
    entry = _register(store)
    outside = tmp_path / "elsewhere"
    (tmp_path / "raw" / "v1").rename(outside)
    (tmp_path / "raw" / "v1").symlink_to(outside)
    with pytest.raises(DataError, match="lies outside the manifest's folder"):
        store.content(entry)
    assert ["outside" in str(each) for each in store.verify()] == [True]
    with pytest.raises(DataError, match="lies outside the manifest's folder"):
        _register(store)


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    store = ManifestStore(tmp_path / "raw")
    assert store.content(_register(store)) == b"one"
    assert store.verify() == []


def test_a_lock_of_another_user_is_one_sentence(unprivileged):
    store = ManifestStore(unprivileged)
    entry = _register(store)
    lock = unprivileged / ".manifest.lock"
    lock.chmod(0)
    with pytest.raises(FinscaleError, match=r"the lock .*lock cannot be opened: Permission den"):
        _register(store, b"two")
    # what only reads needs no lock
    assert ManifestStore(unprivileged).content(entry) == b"one"
    if os.getuid() == 0:
        os.seteuid(0)
        os.chown(lock, 0, 0)
        os.seteuid(65534)
        with pytest.raises(FinscaleError) as caught:
            _register(store, b"two")
        assert "belongs to another user (uid 0)" in caught.value.hint


def test_runs_whose_lock_cannot_be_opened(unprivileged):
    partial = partial_folder(unprivileged, "0123456789abcdef")
    partial.mkdir()
    with exclusive(unprivileged, "0123456789abcdef"):
        pass
    assert [each.folder for each in find_garbage(RunStore(unprivileged))] == [partial]
    (unprivileged / ".locks" / "0123456789abcdef").chmod(0)
    # it may be at work
    assert find_garbage(RunStore(unprivileged)) == []
    with (
        pytest.raises(FinscaleError, match=r"the lock .*0123456789abcdef cannot be opened"),
        exclusive(unprivileged, "0123456789abcdef"),
    ):
        pass
