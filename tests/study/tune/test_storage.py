"""Trials in a journal file and in a real PostgreSQL, and Optuna's dashboard on both."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from finscale.errors import FinscaleError
from finscale.study.tune.space import Dimension
from finscale.study.tune.storage import TrialLog, open_storage, without_password
from finscale.study.tune.trials import SearchTrial

RATE = Dimension("rate", 0.125, 8, 1e-4, 1e4)
DEPTH = Dimension("depth", 1, 8, 1, 8, whole=True)
DIMS = (RATE, DEPTH)


def exercise(where: str | Path) -> None:
    """Add, report and tell trials, and read them again through another connection."""
    log = TrialLog(open_storage(where), "a study/3k@1234")
    assert log.read() == []
    first = SearchTrial(0, {"rate": 0.5, "depth": 3.0}, 0, 2, "default", epochs=4, runs=("a", "b"))
    second = SearchTrial(1, {"rate": 8.0, "depth": 1.0}, 0, 2, epochs=4)
    for trial in (first, second):
        log.add(trial, DIMS)
    log.report(0, 1, 0.9)
    again = TrialLog(open_storage(where), "a study/3k@1234")
    known = again.read()
    assert [trial.state for trial in known] == ["running", "running"]
    assert known[0].params == first.params
    assert (known[0].forced, known[0].together, known[0].epochs) == ("default", 2, 4)
    whole = SearchTrial(
        *(0, first.params, 0, 2, "default", "complete", 0.7, (0.9, 0.7), 4, ("a", "b"), 1e9)
    )
    stopped = SearchTrial(
        *(1, second.params, 0, 2, "", "stopped", 0.95, (0.95,), 4, ("c",), 1e8, "behind")
    )
    again.tell(whole)
    again.tell(stopped)
    assert TrialLog(open_storage(where), "a study/3k@1234").read() == [whole, stopped]
    assert TrialLog(open_storage(where), "another").read() == []
    with pytest.raises(FinscaleError, match="another process"):
        log.add(SearchTrial(5, second.params, 1), DIMS)


def dashboard_lists(where: str | Path) -> None:
    """Ask Optuna's dashboard for its studies."""
    dashboard = pytest.importorskip("optuna_dashboard")
    answer: list[str] = []
    app = dashboard.wsgi(open_storage(where))
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }
    body = b"".join(app(environ, lambda status, *_: answer.append(status)))
    assert answer[0].startswith("200")
    assert b"a study/3k@1234" in body


def test_a_journal_keeps_trials_and_the_dashboard_opens_on_it(tmp_path: Path) -> None:
    where = tmp_path / "tune" / "journal.log"
    exercise(where)
    dashboard_lists(where)


def test_sqlite_by_its_url(tmp_path: Path) -> None:
    exercise(f"sqlite:///{tmp_path}/trials.db")


def _program(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a private PostgreSQL on a socket in a temporary folder; yield its URL."""
    pytest.importorskip("psycopg")
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed here")
    import tempfile

    # a socket's path may have 107 bytes, and another user has to reach the folder
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        # the server refuses to run as root
        user = next((u for u in ("postgres", "nobody") if _is_user(u)), None)
        if user is None or not shutil.which("runuser"):
            shutil.rmtree(folder)
            pytest.skip("PostgreSQL does not run as root, and there is no user to run it as")
        shutil.chown(folder, user)
        as_user = ["runuser", "-u", user, "--"]
    else:
        import getpass

        user = getpass.getuser()
    data, log = folder / "data", folder / "log"
    made = subprocess.run(
        [*as_user, initdb, "-D", str(data), "-U", "tuner", "-A", "trust", "--no-sync"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    if made.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"initdb failed here: {made.stderr.strip().splitlines()[-1]}")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    start = [*as_user, pg_ctl, "-D", str(data), "-l", str(log), "-o", options, "-w", "start"]
    try:
        subprocess.run(start, check=True, capture_output=True, timeout=60, cwd=folder)
        yield f"postgresql://tuner@/postgres?host={folder}"
    finally:
        stop = [*as_user, pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop"]
        subprocess.run(stop, capture_output=True, timeout=60, cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)


def _is_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.mark.cluster
def test_postgresql_keeps_trials_and_the_dashboard_opens_on_it(postgres: str) -> None:
    exercise(postgres)
    dashboard_lists(postgres)


@pytest.mark.cluster
@pytest.mark.slow
def test_a_search_on_postgresql_is_the_one_on_a_journal(
    postgres: str, searched, tmp_path: Path, here
) -> None:
    from finscale.runs import RunStore
    from finscale.study import Study

    found = []
    for place, storage in (("file", None), ("database", postgres)):
        study = Study(searched, studies=tmp_path / place, runs=RunStore(tmp_path / "runs"))
        study.tuner.storage = storage or study.tuner.storage
        study.tuner.search(study.cells, here)
        found.append(study.tuner.record(study.cells)[0]["trials"])
    assert found[0] == found[1]


def test_a_storage_that_cannot_be_opened_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    url = "postgresql://me:secret@localhost:1/none"
    with pytest.raises(FinscaleError, match=r"me:…@localhost") as refused:
        open_storage(url)
    assert "secret" not in str(refused.value)
    assert without_password("sqlite:///a.db") == "sqlite:///a.db"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FinscaleError, match="cannot be written"):
        open_storage(tmp_path / "file" / "tune" / "journal.log")
