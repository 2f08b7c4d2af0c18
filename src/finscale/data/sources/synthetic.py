"""Simulated markets as sources: ``synthetic:garch`` has every symbol, the same each time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from finscale.data.bars import Bars
from finscale.data.sources.base import Source, register
from finscale.data.synthetic import MARKETS, simulate
from finscale.errors import DataError, did_you_mean

_SUMMARIES = {
    "student": "independent Student-t returns: nothing to predict",
    "garch": "GARCH(1,1)-t5: volatility can be predicted, direction cannot",
    "gjr": "GJR-GARCH-t5: falls raise volatility more than rises",
    "regime": "calm and turbulent regimes in a Markov chain",
    "reversal": "each move is partly taken back the day after",
    "teacher": "past volumes move the next return by a power law over lags",
    "zipf": "the kind of bar decides the next drift; kinds follow Zipf's law",
}

#: Options of a simulation beside the parameters of its process.
_OPTIONS: dict[str, Callable[[Any], Any]] = {"seed": int, "num_days": int}


def fetch(symbol: str, *, market: str, strict: bool = True, **options: Any) -> Bars:
    """Return one symbol of a simulated market.

    Parameters
    ----------
    symbol : str
        Any name; it seeds the random stream, so each symbol has its own history.
    market : str
        A name in ``finscale.data.synthetic.MARKETS``.
    strict : bool
        Accepted as by other sources; there is nothing to repair.
    **options
        ``seed`` (0), ``num_days`` (7560: thirty years) and the parameters of the market's process,
        as numbers or text.

    Raises
    ------
    DataError
        If an option is unknown or not a number.
    """
    defaults = dataclasses.asdict(MARKETS[market])  # type: ignore[call-overload]
    kinds = _OPTIONS | {k: type(v) for k, v in defaults.items() if isinstance(v, int | float)}
    panel = simulate(market, [symbol], **{k: _read(k, v, kinds) for k, v in options.items()})
    drawn_with = dataclasses.asdict(panel.process)  # type: ignore[call-overload]
    parameters = {k: str(v) for k, v in ({"seed": options.get("seed", 0)} | drawn_with).items()}
    return Bars(
        symbol=symbol,
        frame=panel.frame(symbol),
        adjustment="split+dividend",
        source=f"synthetic:{market}",
        provenance={"about": _SUMMARIES[market], "calendar": "weekdays", **parameters},
    )


def _read(name: str, value: Any, kinds: dict[str, Callable[[Any], Any]]) -> Any:
    if name not in kinds:
        raise DataError(
            f"a synthetic source takes no option {name}.", hint=did_you_mean(name, kinds)
        )
    try:
        return kinds[name](value)
    except ValueError:
        raise DataError(f"option {name} must be a number, not {value!r}.") from None


for _market, _summary in _SUMMARIES.items():
    register(Source(f"synthetic:{_market}", _summary, partial(fetch, market=_market), local=True))
