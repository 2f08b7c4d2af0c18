"""An experiment from a file and the command line, its split one that fits its data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finscale.config import ExperimentConfig
    from finscale.data import DataStore

#: Settings with which somebody chooses the split.
_CHOSEN = ("split.method", "split.train_", "split.validation_end", "split.test_end")

#: Settings with which somebody chooses the symbols.
_OTHER = ("data.universe", "data.symbols")


def load_fitting(
    path: Path, changes: Sequence[str], store: DataStore | None = None
) -> tuple[ExperimentConfig, str]:
    """Return the experiment of a file with ``changes``, and what was done to its split.

    Dates that a recipe has for its own symbol give way to shares of the history where another
    symbol's bars ask for them, unless the command line chooses a split; the text says so, and is
    empty where nothing was done.
    """
    from finscale.config import DataConfig, ExperimentConfig, load_config
    from finscale.config.files import read_settings
    from finscale.config.universes import symbols_in_words
    from finscale.experiment.preparation import fitted_split

    experiment = load_config(ExperimentConfig, path, changes)
    data = read_settings(ExperimentConfig, path).get("data")
    written = data.get("symbols", "") if isinstance(data, dict) else ""
    own = (written,) if isinstance(written, str) else tuple(written)
    same = experiment.data.symbols == (own if written else DataConfig().symbols)
    if isinstance(data, dict) and data.get("universe"):
        # its dates were written for that universe
        same = not any(change.strip().startswith(_OTHER) for change in changes)
    if same or any(change.strip().startswith(_CHOSEN) for change in changes):
        return experiment, ""
    fitted, unfit = fitted_split(experiment, store)
    if not unfit:
        return experiment, ""
    return fitted, (
        f"note      the dates of {path} do not fit {symbols_in_words(experiment.data)} ({unfit}); "
        "split.method: shares instead, unless --set split.… says otherwise"
    )
