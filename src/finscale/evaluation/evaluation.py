"""One run judged from its predictions: every score, by group, and its skill over baselines."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.evaluation.bootstrap import LEVEL, NUM_REPLICATES, Metric, Resampler
from finscale.evaluation.operating import (
    OPERATING,
    OperatingRule,
    operating_points,
    threshold_sweep,
)
from finscale.evaluation.predictions import Predictions, aligned
from finscale.evaluation.scores import Classified, Regressed, collapsed, measure, probabilities
from finscale.evaluation.targets import TARGETS, Target

#: Group, label, and which test rows belong to it.
Groups = Sequence[tuple[str, str, NDArray[np.bool_]]]
TERCILES = ("calm", "middle", "turbulent")
#: Shares of test rows that the default sweep of thresholds flags.
_SWEPT_SHARES = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)


@dataclass(frozen=True)
class Evaluation:
    """Everything that predictions say about a model.

    Attributes
    ----------
    kind : str
        What is predicted: an entry of ``TARGETS``.
    num_rows, num_days : int
        Test rows and distinct decision days.
    first, last : datetime.date
        First and last decision day of test.
    overlap : int
        H, days that one label spans.
    block_length : float
        Mean block length of the bootstrap, days.
    num_replicates, level
        Of the bootstrap.
    scores : polars.DataFrame
        group, label, over, score, value, low, high. ``group`` is all, fold, year or volatility;
        ``over`` names the baseline where the score is ``skill``, else it is empty.
    sweep : polars.DataFrame
        threshold, score, value, low, high; empty where no event is predicted.
    rule : str
        How the operating point was chosen on validation; empty if there is none.
    thresholds : dict of int to float
        Fold to the probability at and above which rows are flagged.
    collapsed : bool
        Whether predicted probabilities hug one number.
    """

    kind: str
    num_rows: int
    num_days: int
    first: dt.date
    last: dt.date
    overlap: int
    block_length: float
    num_replicates: int
    level: float
    scores: pl.DataFrame
    sweep: pl.DataFrame
    rule: str
    thresholds: dict[int, float]
    collapsed: bool

    @property
    def target(self) -> Target:
        """What is predicted."""
        return TARGETS[self.kind]

    def table(self, group: str | None = None) -> pl.DataFrame:
        """Return the scores, of one kind of group if given."""
        return self.scores if group is None else self.scores.filter(pl.col("group") == group)

    def metric(
        self, score: str, *, over: str = "", group: str = "all", label: str = "all"
    ) -> Metric:
        """Return one score.

        Raises
        ------
        KeyError
            If it was not computed.
        """
        return self._metrics[score, over, group, label]

    @cached_property
    def _metrics(self) -> dict[tuple[str, str, str, str], Metric]:
        place, numbers = ("score", "over", "group", "label"), ("value", "low", "high")
        rows = self.scores.select(*place, *numbers).iter_rows()
        return {row[:4]: Metric(*row[4:]) for row in rows}

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; what is undefined or infinite is None."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("scores", "sweep"):
            content[name] = plain_rows(content[name])
        content["first"], content["last"] = self.first.isoformat(), self.last.isoformat()
        content["thresholds"] = {str(fold): value for fold, value in self.thresholds.items()}
        return content


def plain_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as plain values; what is undefined or infinite is None."""
    columns = []
    for column in table.iter_columns():
        values = column.to_list()
        if column.dtype.is_float():
            values = [one if one is not None and math.isfinite(one) else None for one in values]
        columns.append(values)
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def evaluate(
    predictions: Predictions,
    baselines: Mapping[str, Predictions] | None = None,
    *,
    rule: OperatingRule | None = None,
    volatility: pl.DataFrame | None = None,
    kinds: Mapping[str, str] | None = None,
    expected: int | None = None,
    num_replicates: int = NUM_REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Evaluation:
    """Judge a model by its predictions.

    Parameters
    ----------
    predictions : Predictions
        Validation rows choose the operating point, test rows are judged.
    baselines : mapping of str to Predictions, optional
        Predictions of baselines for exactly the same windows; the skill over each is reported.
    rule : OperatingRule, optional
        How the threshold is chosen on validation; half of the events are found when absent.
        Without validation rows there is no operating point.
    volatility : polars.DataFrame, optional
        date, symbol, volatility known at the decision; gives scores by tercile of the test rows.
    kinds : mapping of str to str, optional
        Symbol → what kind it is (seen in training or not, say); gives scores of each kind.
    expected : int, optional
        Windows that the test should have.
    num_replicates, level, seed
        Of the bootstrap; one set of replicates serves all scores and groups.

    Raises
    ------
    DataError
        For predictions that are incomplete or not comparable.
    """
    test, target = predictions.test, predictions.target
    if expected is not None and test.height != expected:
        raise DataError(f"{test.height:,} windows were tested, {expected:,} should have been.")
    rule = rule or OperatingRule()
    thresholds = operating_points(predictions, rule) if target.is_event else {}
    rows = _rows(predictions, thresholds)

    dates = test["date"].to_numpy()
    bootstrap: dict[str, Any] = {
        "overlap": predictions.horizon,
        "num_replicates": num_replicates,
        "level": level,
        "seed": seed,
    }
    resampler = Resampler.over(dates, rows.dependence(), **bootstrap)
    # a difference of losses is far less dependent than the losses: blocks of its own length
    gains = {
        name: target.loss(aligned(predictions, other, name)) - predictions.losses_N
        for name, other in (baselines or {}).items()
    }
    parts = groups_of(test, volatility, kinds)
    masks_NK = np.column_stack([mask_N for _, _, mask_N in parts])
    skills: dict[str, list[Metric]] = {}
    if gains:
        own = Resampler.each(dates, np.column_stack(list(gains.values())), **bootstrap)
        for (name, gain_N), drawn in zip(gains.items(), own, strict=True):
            skills[name] = drawn.means(gain_N, masks_NK)

    if isinstance(rows, Classified):
        # weights of rows that lie in order of their logits need not be arranged again and again
        order_N = rows.ranking.order
        rows, resampler, masks_NK = rows.where(order_N), resampler.where(order_N), masks_NK[order_N]
    lines: list[dict[str, Any]] = []
    for number, (group, label, _) in enumerate(parts):
        place, mask_N = {"group": group, "label": label}, masks_NK[:, number]
        metrics = _measured(target, rows.where(mask_N), resampler.where(mask_N))
        lines += [{**place, "over": "", "score": n, **vars(m)} for n, m in metrics.items()]
        for over, metric in ((over, metrics[number]) for over, metrics in skills.items()):
            lines.append({**place, "over": over, "score": "skill", **vars(metric)})
    return Evaluation(
        kind=target.name,
        num_rows=test.height,
        num_days=test["date"].n_unique(),
        first=dates.min().item(),
        last=dates.max().item(),
        overlap=predictions.horizon,
        block_length=resampler.block_length,
        num_replicates=num_replicates,
        level=level,
        scores=pl.DataFrame(lines, infer_schema_length=None),
        sweep=_sweep(rows, resampler) if isinstance(rows, Classified) else pl.DataFrame(),
        rule=str(rule) if thresholds else "",
        thresholds={fold: float(probabilities(z)) for fold, z in thresholds.items()},
        collapsed=isinstance(rows, Classified) and collapsed(rows),
    )


def _rows(predictions: Predictions, thresholds: Mapping[int, float]) -> Classified | Regressed:
    """Prepare the test rows for scores, with what the target's scores need beside outputs."""
    test = predictions.test
    if not predictions.target.is_event:
        known = pl.Series(predictions.known_mean)
        return predictions.target.rows(test.with_columns(historical_mean=known))
    limit_N = np.array([thresholds.get(int(fold), math.nan) for fold in test["fold"]])
    flagged_N = np.where(np.isnan(limit_N), np.nan, test["logit"].to_numpy() >= limit_N)
    return predictions.target.rows(test.with_columns(flagged=pl.Series(flagged_N)))


def _measured(
    target: Target, rows: Classified | Regressed, resampler: Resampler
) -> dict[str, Metric]:
    flagged = isinstance(rows, Classified) and not np.isnan(rows.flagged).any()
    return measure({**target.scores, **(OPERATING if flagged else {})}, rows, resampler)


def _sweep(rows: Classified, resampler: Resampler) -> pl.DataFrame:
    """Return what thresholds find that flag round shares of the test; nothing is chosen by it."""
    thresholds = np.quantile(rows.probability, 1 - np.asarray(_SWEPT_SHARES))
    return threshold_sweep(rows, resampler, np.unique(thresholds).tolist())


def groups_of(
    test: pl.DataFrame,
    volatility: pl.DataFrame | None,
    kinds: Mapping[str, str] | None = None,
) -> Groups:
    """Return (group, label, rows): all, each fold and year if there are several, each tercile.

    And each kind of symbol, if there are several.
    """
    groups = [("all", "all", np.ones(test.height, dtype=np.bool_))]
    for group, column in (("fold", test["fold"]), ("year", test["date"].dt.year())):
        label_N = column.to_numpy()
        labels = np.unique(label_N)
        if len(labels) > 1:
            groups += [(group, str(label), label_N == label) for label in labels]
    kind_N = test["symbol"].replace_strict(kinds or {}, default="").to_numpy()
    found = np.unique(kind_N)
    if len(found) > 1:
        groups += [("symbols", str(kind), kind_N == kind) for kind in found]
    if volatility is not None:
        tercile_N = _terciles(test, volatility)
        groups += [("volatility", name, tercile_N == i) for i, name in enumerate(TERCILES)]
    return groups


def _terciles(test: pl.DataFrame, volatility: pl.DataFrame) -> NDArray[np.int64]:
    columns = {"date": pl.Date, "symbol": pl.String, "volatility": pl.Float64}
    known = volatility.select(pl.col(name).cast(kind) for name, kind in columns.items())
    joined = test.join(known, on=("date", "symbol"), how="left", maintain_order="left")
    if joined["volatility"].is_finite().fill_null(value=False).not_().any():
        raise DataError("volatility is not given for every test row.")
    volatility_N = joined["volatility"].to_numpy()
    return np.searchsorted(np.quantile(volatility_N, [1 / 3, 2 / 3]), volatility_N)
