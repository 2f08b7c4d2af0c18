"""Symbols that a model never trains on: what it has learnt of some, held against others.

The days of test lie after those of train, whichever symbols are tested: labels of one day move
together, and a model that has seen a day's other symbols would know half of the answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from finscale.config import SplitConfig
from finscale.data.splits import Split
from finscale.errors import DataError


def unseen_symbols(symbols: Sequence[str], split: SplitConfig) -> tuple[str, ...]:
    """Return the symbols that train and validation do not see, in their order.

    Each symbol draws a number of its own from ``split.symbol_seed`` and its name; those with the
    lowest ones are held out, ``split.unseen_fraction`` of all, one at least.

    Raises
    ------
    DataError
        If that leaves none to train on.

    Examples
    --------
    >>> unseen_symbols("ABCDE", SplitConfig(symbols="unseen"))
    ('A',)
    >>> unseen_symbols("ABCDE", SplitConfig())
    ()
    """
    if split.symbols == "all":
        return ()
    num = split.num_unseen(len(symbols))
    if num >= len(symbols):
        raise DataError(
            f"split.symbols: {split.symbols} holds out {num} of {len(symbols)} symbol"
            f"{'s' * (len(symbols) != 1)}, and none is left to train on.",
            hint="name more symbols (data.symbols or data.universe), or lower "
            "split.unseen_fraction",
        )
    return drawn_symbols(symbols, num, split.symbol_seed)


def drawn_symbols(symbols: Sequence[str], num: int, seed: int, *purpose: int) -> tuple[str, ...]:
    """Return so many symbols in their order, drawn by their names: a larger number holds them all.

    ``purpose`` tells draws of one seed apart.
    """
    lot_S = [
        np.random.default_rng([seed, zlib.crc32(symbol.encode()), *purpose]).random()
        for symbol in symbols
    ]
    chosen = set(np.argsort(lot_S)[:num].tolist())
    return tuple(symbol for place, symbol in enumerate(symbols) if place in chosen)


def hold_out_symbols(
    fold: Split,
    config: SplitConfig,
    symbols: Sequence[str],
    symbol_R: NDArray[np.int64],
    date_R: NDArray[np.datetime64],
) -> Split:
    """Return a fold whose train and validation have no unseen symbol; they count as unused.

    Of ``unseen``, test has no other; of ``both``, test has all.

    Raises
    ------
    DataError
        If a part is left without a window.
    """
    if config.symbols == "all":
        return fold
    names = unseen_symbols(symbols, config)
    unseen_R = np.isin(np.array(symbols), names)[symbol_R]
    parts = {
        "train": fold.train[~unseen_R[fold.train]],
        "validation": fold.validation[~unseen_R[fold.validation]],
        "test": fold.test if config.symbols == "both" else fold.test[unseen_R[fold.test]],
    }
    for name, ends in parts.items():
        if not ends.size:
            raise DataError(
                f"{name} is left without a window once {', '.join(names[:3])}"
                f"{' …' * (len(names) > 3)} {'is' if len(names) == 1 else 'are'} unseen.",
                hint="another split.symbol_seed draws others; split.symbols: all holds out none",
            )
    dropped = sum(getattr(fold, name).size - ends.size for name, ends in parts.items())
    days = tuple(
        tuple(date_R[ends[[0, -1]]].astype("datetime64[D]").astype(object))
        for ends in parts.values()
    )
    return replace(
        fold,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        ranges=days,
        num_unused=fold.num_unused + dropped,
    )
