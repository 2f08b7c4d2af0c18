"""What a verdict is about: a loss, or an outcome for which higher is better."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from finscale.errors import DataError
from finscale.evaluation.bootstrap import Metric
from finscale.scaling.column_names import words

#: Words in the names of outcomes for which higher is better, those that end at 1 first.
_UP_TO_ONE = words(
    "accuracy acc auc auroc auprc auprg f1 f2 precision recall r2 r² rsquared rsq map iou miou "
    "top1 top3 top5 top10 em sensitivity specificity correct ssim"
)
_HIGHER = _UP_TO_ONE | words(
    "ic icir ir sharpe sortino calmar return returns pnl profit mcc corr correlation score skill "
    "likelihood reward hit win wins information spearman pearson kendall bleu rouge ndcg iou "
    "dice elo wealth utility gain gained success cagr psnr ap elbo meteor cider chrf loglik tstat "
    "solved quality treynor omega"
)
#: Names of which the parts say nothing: ``PnL``, ``pass@1``, ``exact_match``, ``top-5``.
_HIGHER_WHOLE = re.compile(
    r"(?i)(?<![a-z])(p&?n&?l|pass@\d+|exact[ _-]?match|top[ _-]?\d+|m?iou|r[ _-]?squared"
    r"|t[ _-]?stat|log[ _-]?lik)(?![a-z])"
)
#: Words that say the opposite whatever else a name holds: ``return_mse``, ``neg_sharpe``.
_LOWER = words(
    "loss losses logloss error err nll mse mae rmse mape smape mase entropy ce bce xent brier crps "
    "perplexity ppl bpb pinball deviance regret drawdown neg negative minus variance "
    "volatility"
)
_NATS = words("nats nll logloss xent ce bce")
_BITS = words("bits bpb bpc")

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Measure:
    """The name, unit and direction of what a study's sizes are compared by.

    All fits are of losses, which fall as things improve. An outcome for which higher is better is
    fitted as ``best - value``: its distance to the best possible value, which a power law reduces
    to a floor (1 - AUC; 1 - R², the share of variance left). Where no best value exists (a Sharpe
    ratio) ``best`` is 0 and only the sign is reversed: the curves behind a verdict have a free
    level, so they are the same for every ``best``.

    Parameters
    ----------
    title : str
        In the middle of a sentence: ``"loss"``, ``"AUC"``.
    unit : str
        Of values and of their differences; empty for a plain number.
    higher_is_better : bool
        Which way it improves.
    best : float
        The highest value, where higher is better and one exists.
    many : str
        The title where sizes have one each.
    digits : int
        Decimals in which sizes differ.

    Examples
    --------
    >>> auc = Measure("AUC", "", higher_is_better=True, best=1.0)
    >>> float(auc.as_loss(0.75)), float(auc.shown(0.25)), auc.moves(better=True)
    (0.25, 0.75, 'rises')
    """

    title: str = "loss"
    unit: str = "nats"
    higher_is_better: bool = False
    best: float = 0.0
    many: str = "losses"
    digits: int = 4

    def as_loss(self, value: Number) -> Number:
        """Return values as the losses that are fitted, or such losses as values again."""
        return self.best - value if self.higher_is_better else value

    shown = as_loss  # the mirror image of a mirror image

    def finer(self, effect: float) -> Measure:
        """Return the same in digits that tell apart what differs by a tenth of ``effect``.

        Examples
        --------
        >>> Measure().finer(0.004).digits, Measure().finer(1e-4).digits
        (4, 5)
        """
        return replace(self, digits=max(self.digits, 1 - math.floor(math.log10(effect))))

    def shown_ends(self, low: Number, high: Number) -> tuple[Number, Number]:
        """Return the ends of an interval of losses as ends of one of values."""
        ends = self.shown(low), self.shown(high)
        return (ends[1], ends[0]) if self.higher_is_better else ends

    def moves(self, *, better: bool) -> str:
        """Return ``rises`` or ``falls``: which way the outcome goes when things get better."""
        return "rises" if better == self.higher_is_better else "falls"

    def change(self, gain: Metric) -> Metric:
        """Return an improvement as a change of the outcome: losses saved are a fall."""
        return gain if self.higher_is_better else negated(gain)

    def amount(self, number: str) -> str:
        """Return a number of this measure with its unit."""
        return f"{number} {self.unit}".rstrip()

    @property
    def fitted(self) -> str:
        """What is fitted, in terms of the outcome: ``loss``, ``1 - AUC``, ``-Sharpe ratio``."""
        if not self.higher_is_better:
            return self.title
        return f"{self.best:g} - {self.title}" if self.best else f"-{self.title}"

    @property
    def label(self) -> str:
        """The title with its unit, once: ``loss (nats)``."""
        told = not self.unit or re.search(rf"[\[(]\s*{re.escape(self.unit)}\s*[\])]", self.title)
        return self.title if told else f"{self.title} ({self.unit})"

    @property
    def improves(self) -> str:
        """What the outcome does when things get better, after *to*: ``fall`` or ``rise``."""
        return "rise" if self.higher_is_better else "fall"

    @property
    def gain(self) -> str:
        """An improvement, in words: ``gain``, ``gain in AUC``."""
        return f"gain in {self.title}" if self.higher_is_better else "gain"

    @property
    def gained(self) -> str:
        """What an improvement brings, in words: ``loss saved``, ``AUC gained``."""
        return f"{self.title} {'gained' if self.higher_is_better else 'saved'}"


def measure_of_column(
    column: str,
    values: NDArray[np.float64],
    *,
    higher_is_better: bool | None = None,
    best: float | None = None,
    unit: str | None = None,
    place: str = "the table",
) -> Measure:
    """Return what a column of results measures.

    Parameters
    ----------
    column : str
        Its name.
    values : array
        Its values: a share of right answers ends at 1 unless some lie above.
    higher_is_better : bool, optional
        Which way it improves; None is a loss, unless the name says otherwise: that is a question.
    best : float, optional
        The highest value there can be, where higher is better; 1 for an AUC, an accuracy or an R²
        whose values are all at most 1, else none.
    unit : str, optional
        Of the values; nats or bits where the name says so, else none.

    Raises
    ------
    DataError
        If the name is that of an outcome for which higher is usually better and
        ``higher_is_better`` is None; if ``best`` is given for a loss, or a value lies above it.

    Examples
    --------
    >>> measure_of_column("test_auc", np.array([0.6, 0.7]), higher_is_better=True).best
    1.0
    """
    own = words(column)
    turned = own & _LOWER or re.match(r"\s*1\s*[-−_]", column)  # 1 - AUC is a loss
    rises = own & _HIGHER or _HIGHER_WHOLE.search(column)
    if higher_is_better is None and rises and not turned:
        raise DataError(
            f"{place}: of a column named {column!r} more is usually better, and a law is fitted to "
            "what falls.",
            hint="say --higher-is-better or --lower-is-better (in Python higher_is_better=True or "
            "False)",
        )
    if best is not None and not higher_is_better:
        raise DataError(
            f"{column!r} is a loss, which has no best value.",
            hint="--best goes with --higher-is-better",
        )
    if unit is None:
        in_nats = own & _NATS or {"log", "loss"} <= own or {"cross", "entropy"} <= own
        unit = "bits" if own & _BITS else "nats" if in_nats else ""
    title = re.split(r"[./]", column)[-1] or column
    many = "losses" if title == "loss" else f"{title} values"
    if not higher_is_better:
        return Measure(title, unit, many=many)
    highest = float(values.max())
    if best is None:
        best = 1.0 if own & _UP_TO_ONE and highest <= 1.0 else 0.0
    elif highest > best:
        raise DataError(
            f"{place}: {column} reaches {highest:g}, above its best value of {best:g}.",
            hint="give the highest value that there can be, or leave --best away",
        )
    return Measure(title, unit, higher_is_better=True, best=best, many=many)


#: What verdicts are about unless a study says otherwise.
LOSS = Measure()


def turned_words(measure: Measure) -> str:
    """Return the note that an outcome is fitted as what it falls short of its best by."""
    way_out = "" if measure.best else " (--best says the highest value there can be)"
    return f"{measure.title}: higher is better; fitted as {measure.fitted}{way_out}"


def negated(metric: Metric) -> Metric:
    """Return minus an estimate, with its interval reversed."""
    return Metric(-metric.value, -metric.high, -metric.low)
