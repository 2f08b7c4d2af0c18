"""What a report says of a panel: symbols of one day, and every symbol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finscale.config import StudyConfig
from finscale.data.membership import universe_of
from finscale.evaluation.evaluation import Evaluation
from finscale.evaluation.market import Market
from finscale.evaluation.predictions import Predictions
from finscale.judging.section import (
    effective_table,
    section_table,
    symbol_table,
    symbols_yardstick,
)


def panel_findings(
    chosen: Predictions,
    baselines: Mapping[str, Predictions],
    market: Market,
    evaluation: Evaluation,
    config: StudyConfig,
    *,
    level: float,
) -> dict[str, Any]:
    """Return the fields of ``Findings`` that a panel has; none of one symbol."""
    if chosen.test["symbol"].n_unique() < 2:
        return {}
    data = config.experiment.data
    universe = universe_of(data, data.root)
    over = symbols_yardstick(baselines, evaluation)
    groups = universe.groups if universe is not None else None
    return {
        "section": section_table(chosen, market, level=1 - level),
        "effective": effective_table(chosen),
        "symbols": symbol_table(chosen, baselines.get(over), over, groups, level=1 - level),
        "symbols_over": over,
    }
