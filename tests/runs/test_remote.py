"""Runs at an address: a real S3 server, fsspec's memory, and what can go wrong between."""

from __future__ import annotations

import builtins
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from finscale.errors import ConfigError, FinscaleError
from finscale.runs import RunStore
from finscale.runs.address import CACHE, address_of, local_folder
from finscale.runs.garbage import find_garbage
from finscale.runs.index import summaries
from finscale.runs.reads import note_reading
from finscale.runs.remote import Remote

from .make_runs import make_partial, publish_run
from .s3_server import SECRET, s3_server

A, B, C = "aaaa000000000001", "bbbb000000000001", "cccc000000000001"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as url:
        patch.setenv(CACHE, str(tmp_path_factory.mktemp("cache")))
        yield url


@pytest.fixture(params=["s3", "memory"])
def store(request, tmp_path, monkeypatch) -> RunStore:
    """Return an empty store at an address of its own."""
    if request.param == "s3":
        request.getfixturevalue("server")
        return RunStore(f"s3://bucket/{tmp_path.name}")
    monkeypatch.setenv(CACHE, str(tmp_path))
    return RunStore(f"memory://{tmp_path.name}")


def elsewhere(store: RunStore, monkeypatch, tmp_path) -> RunStore:
    """Return the same store as another machine sees it: its mirror is empty."""
    monkeypatch.setenv(CACHE, str(tmp_path / "other machine"))
    return RunStore(store.place)


def test_a_published_run_is_read_on_another_machine(store, monkeypatch, tmp_path) -> None:
    assert store.ids() == []
    publish_run(store, A)
    other = elsewhere(store, monkeypatch, tmp_path)
    assert other.folder != store.folder
    assert other.ids() == [A]
    assert A in other
    assert B not in other
    assert other.is_whole(A)
    run = other.find("aaaa")
    assert run.place == f"{store.place}/{A}"
    assert run.info["parameters"]["total"] == 5_000
    assert not (run.folder / "predictions.parquet").exists()  # until it is asked for
    assert run.predictions()["logit"].to_list() == [0.2]
    assert (run.folder / "predictions.parquet").is_file()
    # what a worker is handed is the mirror's folder: it finds the store behind it
    assert RunStore(other.folder).place == store.place
    assert [one.id for one in other] == [A]
    assert other.among([A, B]) == other.whole([A, B]) == {A}


def test_a_run_without_a_marker_is_absent(store, monkeypatch, tmp_path) -> None:
    publish_run(store, A)
    make_partial(store, B).rename(store.folder / B)
    remote = store.remote
    fs = fsspec.filesystem(remote.protocol, use_listings_cache=False)
    fs.pipe_file(remote.path(B, "12345678", "predictions.parquet"), b"a part")
    fs.pipe_file(remote.path("_index", f"{C}.json"), b'{"run": "{')  # a writer at work
    assert store.ids() == [A]
    assert B not in store
    assert C not in store
    assert [row["id"] for row in summaries(store)] == [A]
    assert [run.id for run in store] == [A]
    with pytest.raises(FinscaleError, match=f"run {B} is not in {store.place}"):
        store[B]


def test_a_run_whose_upload_was_cut_off_is_uploaded_and_not_computed_again(
    store, monkeypatch
) -> None:
    def cut_off(self: Remote, marker: object, folder: Path) -> None:
        raise FinscaleError("the network is down.")

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "upload", cut_off)
        with pytest.raises(FinscaleError, match="network"):
            publish_run(store, A)
    assert A not in store
    assert not store.is_whole(A)
    assert store.recover(A)
    assert store.is_whole(A)
    assert not store.recover(B)


def test_a_damaged_run_is_found_told_and_cleared_away(store, monkeypatch, tmp_path) -> None:
    publish_run(store, A)
    publish_run(store, B)
    remote = store.remote
    version = remote.marker(A).version
    fs = fsspec.filesystem(remote.protocol, use_listings_cache=False)
    path = remote.path(A, version, "predictions.parquet")
    content = fs.cat_file(path)
    fs.pipe_file(path, content[:-1] + bytes([content[-1] ^ 1]))
    other = elsewhere(store, monkeypatch, tmp_path)
    with pytest.raises(FinscaleError, match=r"predictions.parquet is not what was written"):
        other.find("aaaa").predictions()
    fs.rm_file(path)
    with pytest.raises(FinscaleError, match="is not there") as refused:
        other.find("aaaa").predictions()
    assert "finscale runs gc" in refused.value.hint
    assert not other.is_whole(A)
    (damaged,) = find_garbage(other)
    assert damaged.folder == f"{store.place}/{A}"
    damaged.remove()
    assert other.ids() == [B]
    assert find_garbage(other) == []
    # old ones when asked for
    assert [one.run_id for one in find_garbage(other, older_than=1)] == [B]


def test_two_versions_of_a_run_never_mix(store, monkeypatch, tmp_path) -> None:
    publish_run(store, A, seed=1)
    other = elsewhere(store, monkeypatch, tmp_path)
    assert other.find(A).predictions()["logit"].to_list() == [1.2]
    first = store.remote.marker(A).version
    publish_run(store, A, seed=2, finished="2026-01-03T00:00:00+00:00")
    assert store.remote.marker(A).version != first
    # the run that was read before stays whole; a new look has the new one
    assert other.find(A).folder.is_dir()
    fresh = RunStore(other.place)
    fresh.among([A])
    assert fresh[A].predictions()["logit"].to_list() == [2.2]
    assert fresh[A].info["config"]["seed"] == 2


def test_the_list_asks_for_nothing_but_markers(store, monkeypatch, tmp_path) -> None:
    for number, run_id in enumerate((A, B, C)):
        publish_run(store, run_id, seed=number, finished=f"2026-01-0{3 - number}T00:00:00+00:00")

    def refuse(run: object) -> float:
        raise AssertionError("a test loss that is in the marker is not read again")

    other = elsewhere(store, monkeypatch, tmp_path)
    rows = summaries(other, test_loss=refuse)
    assert [row["id"] for row in rows] == [C, B, A]
    assert [row["seed"] for row in rows] == [2, 1, 0]
    assert {row["test_loss"] for row in rows} == {0.5}
    assert not any(folder.is_dir() for folder in other.folder.glob("[abc]*"))


def test_one_publisher_in_many_packs_the_markers(store, monkeypatch, tmp_path) -> None:
    publish_run(store, A)
    publish_run(store, "dddd000000000100")
    assert store.remote.read_pack() is not None
    other = elsewhere(store, monkeypatch, tmp_path)
    asked = []
    markers = Remote.markers
    monkeypatch.setattr(
        Remote, "markers", lambda self, ids: asked.append(list(ids)) or markers(self, ids)
    )
    monkeypatch.setattr("finscale.runs.remote_index._FEW", 1)
    assert len(summaries(other)) == 2
    assert asked == [[]]  # both came with the one object
    # a removed run is gone, though the object still has it
    store.remote.remove(A)
    assert len(summaries(other)) == 1
    other.remote.write_pack(b"damaged")
    assert len(summaries(elsewhere(store, monkeypatch, tmp_path / "third"))) == 1


def test_who_read_a_test_part_is_known_on_every_machine(store, monkeypatch, tmp_path) -> None:
    publish_run(store, A)
    note_reading(store.folder, A, "finscale evaluate")
    other = elsewhere(store, monkeypatch, tmp_path)
    note_reading(other.folder, A, "finscale audit")
    programs = {one.program for one in other.find(A).test_readings()}
    assert programs == {"finscale evaluate", "finscale audit"}


SHARED = ["0123456789abcde1", "0123456789abcd00"]


def test_writers_at_once_need_no_lock(server, tmp_path, monkeypatch) -> None:
    place = f"s3://bucket/{tmp_path.name}"
    machines = []
    for number in range(4):
        monkeypatch.setenv(CACHE, str(tmp_path / f"machine {number}"))
        machines.append(RunStore(place))

    def write(number: int) -> None:
        for seed, run_id in enumerate([*SHARED, f"{number}fffffffffffffff"]):
            publish_run(machines[number], run_id, seed=seed)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert_all_there(RunStore(place), 6)


@pytest.mark.slow
def test_writing_processes_need_no_lock(server, tmp_path) -> None:
    place = f"s3://bucket/{tmp_path.name}"
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "make_runs", place, *SHARED, f"{number}fffffffffffffff"],
            cwd=Path(__file__).parent,
            env={**os.environ, CACHE: str(tmp_path / f"machine {number}")},
        )
        for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    assert_all_there(RunStore(place), 6)


def assert_all_there(store: RunStore, count: int) -> None:
    ids = store.ids()
    assert len(ids) == count
    assert all(store.is_whole(run_id) for run_id in ids)
    assert {row["id"] for row in summaries(store)} == set(ids)
    assert all(store[run_id].predictions().height == 1 for run_id in ids)


def test_a_writer_that_is_killed_while_it_uploads_leaves_no_run(server, tmp_path) -> None:
    place = f"s3://bucket/{tmp_path.name}"
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from finscale.runs import RunStore
from finscale.runs.remote import Marker
from make_runs import publish_run
def slow(self):
    print("uploaded", flush=True)
    time.sleep(60)
Marker.encoded = slow
publish_run(RunStore({place!r}), {A!r})
"""
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "uploaded\n"
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    store = RunStore(place)
    remote = store.remote
    assert {name for _, _, name, _ in remote.every_file()} == {"run.json", "predictions.parquet"}
    assert store.ids() == []
    assert find_garbage(store) == []  # it may still be at work
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    (left,) = find_garbage(store, now=later)
    assert left.reason.startswith("uploaded in part")
    assert store.recover(A)  # the same machine goes on with what is there
    assert store.ids() == [A]


@pytest.mark.parametrize(
    ("place", "folded"),
    [
        ("s3://bucket/runs", "s3://bucket/runs"),
        ("gs://b/a/runs/", "gs://b/a/runs"),
        (Path("s3://bucket/runs"), "s3://bucket/runs"),
        ("memory://x", "memory://x"),
        ("S3://bucket/runs", "s3://bucket/runs"),
        ("s3:///bucket/runs//", "s3://bucket/runs"),
        ("s3://bucket//a//runs", "s3://bucket/a/runs"),
        (Path("s3:///bucket/runs"), "s3://bucket/runs"),
        ("abfs://box@account.dfs.core.windows.net/runs", None),
        ("runs", ""),
        ("C:/runs", ""),
        ("./s3/runs", ""),
        ("file:///data/runs", ""),
    ],
)
def test_addresses(place, folded) -> None:
    assert address_of(place) == (str(place) if folded is None else folded)


@pytest.mark.parametrize("place", ["s3://", "s3:", "s3:bucket/runs", "gs:///", "S3:me:word@b"])
def test_an_address_that_names_no_bucket_is_no_folder_either(place) -> None:
    with pytest.raises(ConfigError) as refused:
        address_of(place)
    assert "://bucket/runs" in refused.value.hint
    assert "word" not in str(refused.value)


def test_an_address_does_not_go_up() -> None:
    with pytest.raises(ConfigError, match="goes up by"):
        address_of("s3://bucket/../runs")


def test_a_file_address_is_a_folder() -> None:
    assert local_folder("file:///data/runs") == Path("/data/runs")
    assert local_folder(Path("file:///data/runs")) == Path("/data/runs")
    assert RunStore("file:///data/runs").remote is None


@pytest.mark.parametrize(
    "place",
    [
        "s3://AKIAEXAMPLE:wJalrXUtnFEMIsecret@bucket/runs",
        "s3://wJalrXUtnFEMIsecret@bucket/runs",
        "sftp://me:wJalrXUtnFEMIsecret@host/runs",
        "s3://bucket/runs?secret=wJalrXUtnFEMIsecret",
        "simplecache::s3://bucket/runs",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(place) -> None:
    with pytest.raises(ConfigError) as refused:
        RunStore(place)
    assert "wJalr" not in str(refused.value)
    assert refused.value.hint


def test_no_secret_is_in_an_error(server) -> None:
    from finscale.hidden import hide_in_text

    assert SECRET not in hide_in_text(f"signed with {SECRET}: refused")
    assert hide_in_text("http://me:word@host:9000 is down") == "http://***@host:9000 is down"

    class Broken:
        def cat_file(self, path: str, **options: int) -> bytes:
            raise ValueError(f"http://me:{SECRET}@host is down")

    store = RunStore("s3://bucket/secret")
    store.remote.__dict__["_fs"] = Broken()
    with pytest.raises(FinscaleError, match=r"http://\*\*\*@host is down") as refused:
        _ = A in store
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_bucket_that_is_not_there_is_told(server) -> None:
    with pytest.raises(FinscaleError, match=r"the bucket of s3://nowhere/runs does not exist"):
        RunStore("s3://nowhere/runs").ids()


def test_what_is_not_installed_or_known_is_one_sentence(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] in ("s3fs", "gcsfs"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in [one for one in sys.modules if one.partition(".")[0] in ("s3fs", "gcsfs")]:
        monkeypatch.delitem(sys.modules, name)
    registry = sys.modules["fsspec.registry"]._registry
    for name in ("s3", "s3a", "gs"):
        if name in registry:
            monkeypatch.delitem(registry, name)
    with pytest.raises(FinscaleError, match="s3fs is not installed") as refused:
        RunStore("s3://bucket/runs").ids()
    assert "pip install 'finscale[remote]'" in refused.value.hint
    with pytest.raises(FinscaleError, match="not installed") as refused:
        RunStore("gs://bucket/runs").ids()
    assert "gcsfs" in refused.value.hint
    with pytest.raises(ConfigError, match="s4:// is no protocol") as refused:
        RunStore("s4://bucket/runs").ids()
    assert "s3" in refused.value.hint


def test_a_server_that_is_down_is_one_sentence(server, monkeypatch) -> None:
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:hidden-word@127.0.0.1:9")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    started = time.monotonic()
    with pytest.raises(FinscaleError, match=r"s3://bucket/runs cannot be read") as refused:
        RunStore("s3://bucket/runs").ids()
    assert "hidden-word" not in str(refused.value)
    assert time.monotonic() - started < 60
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_study_refuses_a_store_that_its_workers_cannot_see(monkeypatch, tmp_path) -> None:
    from finscale.config import ExperimentConfig
    from finscale.study import Job, LocalExecutor

    monkeypatch.setenv(CACHE, str(tmp_path))
    job = Job(0, "one", ExperimentConfig(), 1.0)
    with pytest.raises(FinscaleError, match="memory alone"):
        list(LocalExecutor(1).run([job], RunStore("memory://study").folder))
