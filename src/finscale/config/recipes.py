"""The recipes that come with finscale, by name: ``threshold_1pct``, ``sp500_parameters``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
#: In an installed package, and in a checkout.
_FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parents[1] / "configs")
_UNIVERSES = "universes"


@cache
def recipes() -> dict[str, Path]:
    """Return every recipe's name (the file's, without its suffix) and its file.

    Examples
    --------
    >>> recipes()["threshold_1pct"].name
    'threshold_1pct.yaml'
    """
    files = _shipped("**/*.yaml")
    return {path.stem: path for path in files if path.parent.name != _UNIVERSES}


@cache
def universe_files() -> dict[str, Path]:
    """Return the universes that come with finscale, by name.

    Examples
    --------
    >>> universe_files()["us20"].name
    'us20.yaml'
    """
    return {path.stem: path for path in _shipped(f"{_UNIVERSES}/*.yaml")}


def _shipped(pattern: str) -> list[Path]:
    """Return the files that come with finscale and match a pattern, in order."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return sorted(folder.glob(pattern)) if folder is not None else []


def config_file(path: Path | str) -> Path | None:
    """Return the file that is meant: the path itself, or the recipe of that name; None if neither.

    A path in a checkout's ``configs/`` means that recipe anywhere, so that what the docs say works
    where only the package is installed.

    Examples
    --------
    >>> config_file("threshold_1pct") == config_file("configs/daily/threshold_1pct.yaml")
    True
    """
    path = Path(path)
    if path.exists():
        return path
    found = recipes().get(path.name.removesuffix(".yaml"))
    return found if found is not None and _means(path, found) else None


def _means(path: Path, recipe: Path) -> bool:
    """Tell whether each folder that is named, but for ``configs``, is the recipe's."""
    folders = path.parts[:-1][-2:]
    return folders in ((), ("configs",), ("configs", recipe.parent.name), (recipe.parent.name,))
