"""The wheel alone: installed into an empty environment it trains a recipe and plans a study."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*words: str | Path, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return the finscale command of an environment that has the wheel and no checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    run(*build, "--wheel-dir", folder, ROOT, folder=folder)
    (wheel,) = folder.glob("finscale-*.whl")
    venv.create(folder / "env", with_pip=False)
    binaries = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / "python"
    site = sysconfig.get_path("purelib", vars={"base": str(folder / "env")})
    # what the wheel depends on comes from this environment, finscale itself does not
    beside = Path(site) / "beside.pth"
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_text(f"{sysconfig.get_path('purelib')}\n")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet"]
    run(*install, "--force-reinstall", "--no-build-isolation", wheel, folder=folder)
    where = run(python, "-c", "import finscale; print(finscale.__file__)", folder=folder)
    assert Path(where.strip()).is_relative_to(folder)
    return binaries / "finscale"


def test_a_recipe_is_trained_by_its_name(installed, tmp_path) -> None:
    words = ["train", "threshold_1pct", "--budget", "5k", "--epochs", "1"]
    told = run(installed, *words, folder=tmp_path)
    assert "log loss" in told
    assert list((tmp_path / "runs").iterdir())


def test_a_study_is_planned_by_its_name(installed, tmp_path) -> None:
    assert "runs" in run(installed, "study", "plan", "sp500_parameters", folder=tmp_path)


def test_the_package_carries_its_types_and_assets(installed, tmp_path) -> None:
    python = installed.parent / "python"
    code = (
        "import importlib.resources as r; files = r.files('finscale');"
        "print(files.joinpath('py.typed').is_file(), "
        "any(files.joinpath('report/assets').iterdir()))"
    )
    assert run(python, "-c", code, folder=tmp_path).split() == ["True", "True"]
