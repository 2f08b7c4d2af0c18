"""What training sees of a panel: the windows of symbols that are drawn, of the newest days.

Only train windows are left out. A label that compares the symbols of a day, and an input that ranks
them, are those of the whole panel; validation and test are those of the whole split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from finscale.config import SplitConfig
from finscale.data.splits import Split
from finscale.data.unseen import drawn_symbols, hold_out_symbols, unseen_symbols
from finscale.errors import DataError

#: Keeps a draw of symbols to train on apart from a draw of symbols to hold out.
_TRAIN = 1


def trainable(symbols: Sequence[str], split: SplitConfig) -> tuple[str, ...]:
    """Return the symbols that a split lets training see: all but those held out, in their order."""
    unseen = set(unseen_symbols(symbols, split))
    return tuple(symbol for symbol in symbols if symbol not in unseen)


def train_symbols(symbols: Sequence[str], split: SplitConfig) -> tuple[str, ...]:
    """Return the symbols whose windows are trained on, in their order.

    Each symbol that is not held out draws a number of its own from ``split.train_draw`` and its
    name; those with the lowest ones are trained on. So fewer symbols of a draw are among more of
    it, and a symbol that joins the panel moves no other's number.

    Raises
    ------
    DataError
        If there are fewer symbols than are asked for.

    Examples
    --------
    >>> train_symbols("ABCDE", SplitConfig(train_symbols=2))
    ('B', 'C')
    >>> train_symbols("ABCDE", SplitConfig(train_symbols=3))
    ('B', 'C', 'D')
    """
    known, num = trainable(symbols, split), split.train_symbols
    if num is None:
        return known
    if num > len(known):
        held = len(symbols) - len(known)
        raise DataError(
            f"split.train_symbols asks for {num:,} symbols, and there are {len(known):,} to train "
            f"on" + (f": split.symbols {split.symbols} holds out {held:,}." if held else "."),
            hint="lower split.train_symbols, or name more symbols (data.symbols or data.universe)",
        )
    return drawn_symbols(known, num, split.train_draw, _TRAIN)


def parts_asked_for(
    fold: Split,
    config: SplitConfig,
    symbols: Sequence[str],
    symbol_R: NDArray[np.int64],
    date_R: NDArray[np.datetime64],
) -> Split:
    """Return a fold without the symbols held out, whose train part has only what training sees.

    What is left out counts as unused. ``train_share`` counts decision days of the whole panel, so
    that all symbols are cut on one day, whichever are drawn.

    Raises
    ------
    DataError
        If a part is left without a window.
    """
    fold = hold_out_symbols(fold, config, symbols, symbol_R, date_R)
    train = fold.train
    if config.train_share is not None:
        days = np.unique(date_R[train])
        newest = days[-max(round(days.size * config.train_share), 1) :]
        train = train[date_R[train] >= newest[0]]
    if config.train_symbols is not None:
        names = train_symbols(symbols, config)
        train = train[np.isin(np.array(symbols), names)[symbol_R[train]]]
    if train.size == fold.train.size:
        return fold
    if not train.size:
        raise DataError(
            "train is left without a window once only "
            f"{_asked(config)} of it {'is' if config.train_symbols == 1 else 'are'} trained on.",
            hint="another split.train_draw draws others; raise split.train_symbols or "
            "split.train_share",
        )
    first, last = date_R[train[[0, -1]]].astype("datetime64[D]").astype(object)
    return replace(
        fold,
        train=train,
        ranges=((first, last), *fold.ranges[1:]),
        num_unused=fold.num_unused + fold.train.size - train.size,
    )


def _asked(config: SplitConfig) -> str:
    """Return what of train is trained on, in words."""
    said = []
    if config.train_symbols is not None:
        said.append(f"{config.train_symbols:,} symbol{'s' * (config.train_symbols != 1)}")
    if config.train_share is not None:
        said.append(f"the newest {config.train_share:.3g} of its days")
    return " and ".join(said)


def train_part_words(symbols: Sequence[str], config: SplitConfig) -> str:
    """Return what of train is trained on; empty where all of it is.

    Examples
    --------
    >>> train_part_words("ABCDE", SplitConfig(train_symbols=2))
    'trained on 2 of 5 symbols (draw 0: B C)'
    """
    said = []
    if config.train_symbols is not None:
        names = train_symbols(symbols, config)
        some = " ".join(names[:4]) + " …" * (len(names) > 4)
        num = len(trainable(symbols, config))
        said.append(f"{len(names):,} of {num:,} symbols (draw {config.train_draw}: {some})")
    if config.train_share is not None:
        said.append(f"the newest {100 * config.train_share:.3g} % of the days")
    return f"trained on {' and '.join(said)}" if said else ""
