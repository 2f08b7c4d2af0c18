"""The recipes that come with finscale, by name: ``threshold_1pct``, ``sp500_parameters``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from finscale.errors import ConfigError, did_you_mean

_PACKAGE = Path(__file__).parents[1]
#: In an installed package, and in a checkout.
_FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parents[1] / "configs")


@cache
def recipes() -> dict[str, Path]:
    """Return every recipe's name (the file's, without its suffix) and its file.

    Examples
    --------
    >>> recipes()["threshold_1pct"].name
    'threshold_1pct.yaml'
    """
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if folder is None:
        return {}
    return {path.stem: path for path in sorted(folder.rglob("*.yaml"))}


def config_file(path: Path | str) -> Path:
    """Return the file that is meant: the path itself, or the recipe of that name.

    A path in a checkout's ``configs/`` means that recipe anywhere, so that what the docs say works
    where only the package is installed.

    Raises
    ------
    ConfigError
        If there is neither a file nor a recipe; the hint names the nearest.

    Examples
    --------
    >>> config_file("threshold_1pct") == config_file("configs/daily/threshold_1pct.yaml")
    True
    """
    path = Path(path)
    if path.exists():
        return path
    known = recipes()
    found = known.get(path.name.removesuffix(".yaml"))
    if found is not None and _means(path, found):
        return found
    if path.suffix or len(path.parts) > 1:
        beside = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        near = did_you_mean(path.name, beside, prefix=_prefix(path)) if beside else ""
        raise ConfigError(f"{path} does not exist.", hint=near or did_you_mean(path.stem, known))
    raise ConfigError(
        f"{path} is neither a file nor a recipe of finscale.", hint=did_you_mean(path.name, known)
    )


def _means(path: Path, recipe: Path) -> bool:
    """Tell whether each folder that is named, but for ``configs``, is the recipe's."""
    folders = path.parts[:-1][-2:]
    return folders in ((), ("configs",), ("configs", recipe.parent.name), (recipe.parent.name,))


def _prefix(path: Path) -> str:
    return "" if path.parent == Path() else f"{path.parent}/"
