"""Where bars come from: a registry of sources, each a function from symbol to bars."""

from __future__ import annotations

from typing import Any

from finscale.data.bars import Bars, normal_symbol
from finscale.data.sources.base import SOURCES, Source

# importing a source's module registers it
from finscale.data.sources import bundled, csv, frame, synthetic, us20, us431, yahoo  # isort: skip  # noqa: F401

__all__ = ["SOURCES", "Source", "fetch_bars"]


def fetch_bars(source: str, symbol: str, **options: Any) -> Bars:
    """Return validated bars of ``symbol`` from a registered source.

    Parameters
    ----------
    source : str
        ``bundled``, ``csv`` (needs ``file``) or ``yahoo``.
    symbol : str
        Such as ``SPY``; case does not matter.
    **options
        What the source takes; see its module.

    Raises
    ------
    FinscaleError
        If the source is unknown, does not have the symbol, or gives bars that cannot be trusted.
    """
    return SOURCES[source].fetch(normal_symbol(symbol), **options)
