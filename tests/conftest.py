"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from finscale.config import ExperimentConfig, load_config

# speed is never asserted: on a busy machine an example may take ten times as long
settings.register_profile("finscale", deadline=None)
settings.load_profile("finscale")

# what a terminal's width was where the tests were started is no part of them
os.environ.pop("COLUMNS", None)
# two test workers on two cores: one thread each
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """Return a data folder with bundled bars."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def tiny(root, data_root) -> ExperimentConfig:
    """Return an experiment that takes a second."""
    settings = [
        "model.budget=3k",
        "training.epochs=2",
        "training.batch_size=256",
        "training.threads=1",
        "training.thermal.enabled=false",
        f"data.root={data_root}",
    ]
    return load_config(ExperimentConfig, root / "configs/daily/threshold_1pct.yaml", settings)


@pytest.fixture(scope="session")
def us431_data(tmp_path_factory) -> list[str]:
    """Return the settings of a study whose data folder has a universe us431, of made-up names."""
    folder = tmp_path_factory.mktemp("us431")
    (folder / "universes").mkdir()
    members = "".join(f"  - A{number:03}\n" for number in range(431))
    (folder / "universes/us431.yaml").write_text(f"source: us431\nmembers:\n{members}")
    return [f"experiment.data.root={folder}"]


@dataclass(frozen=True)
class Installed:
    """Packages installed in a folder of their own, and programs that see them."""

    site: Path
    folder: Path

    def distribution(self, name: str, points: dict[str, str], modules: dict[str, str]) -> None:
        """Install a distribution: its modules' code, and metadata with its entry points."""
        for module, code in modules.items():
            (self.site / f"{module}.py").write_text(code, encoding="utf-8")
        about = self.site / f"{name}-1.2.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "".join(f"{point} = {value}\n" for point, value in points.items())
        (about / "entry_points.txt").write_text(f"[finscale.plugins]\n{lines}")

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python in ``folder`` with the packages on its path."""
        path = os.pathsep.join([str(self.site), *sys.path])
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **variables},
        )

    def finscale(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.python("-c", "from finscale.cli import main; main()", *arguments)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Installed]:
    """Return what makes an empty place for packages, and a folder to work in."""

    def make() -> Installed:
        return Installed(tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work"))

    return make
