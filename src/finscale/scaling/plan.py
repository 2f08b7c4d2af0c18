r"""The best model for a budget, and the gain from the next tenfold, by a law and a cost model.

Training N parameters on D samples costs :math:`C = k N D` operations, k = 6 for a dense network
(two forward, four backward). Under :math:`L = E + A N^{-\alpha} + B D^{-\beta}` the least loss for
C has :math:`N \propto C^{\beta / (\alpha + \beta)}` (Hoffmann et al. 2022, equation 4); here it is
found on a grid, so that any form, a cap on the data and every replicate are treated alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finscale.errors import FinscaleError
from finscale.evaluation.bootstrap import Metric
from finscale.scaling.cost import CostModel
from finscale.scaling.covariance import size_covariance
from finscale.scaling.digits import number
from finscale.scaling.intervals import percentile_metric
from finscale.scaling.law import Law
from finscale.scaling.measure import LOSS, Measure, negated
from finscale.scaling.sentences import interval, size

Float = NDArray[np.float64]

#: Standard errors that a gain must span to be detected: z(97.5 %) for a two-sided test at 5 %, plus
#: z(80 %) for 80 % power.
_DETECTABLE = 1.959964 + 0.841621
_GRID = 600


@dataclass(frozen=True)
class Gain:
    """What ten times one axis would bring, from ``start``, the largest size measured.

    The loss saved, as `law fit` says it for the same table; time and price of training the grown
    model, None where they do not follow from the axis; the smallest gain that the test set can see
    with 80 % power, None where its noise is unknown; and the form of the law that says so.
    """

    axis: str
    start: float
    gain: Metric
    seconds: float | None
    price: float | None
    detectable: float | None
    form: str = ""

    @property
    def clears(self) -> bool | None:
        """Whether the test set could see the gain; None where its noise is unknown."""
        return None if self.detectable is None else self.gain.value >= self.detectable


@dataclass(frozen=True, repr=False)
class Plan:
    """The best model for a budget, and the price of the next tenfold.

    Parameters
    ----------
    num_parameters, num_samples : Metric
        Best N, and D, for the budget.
    loss : Metric
        Loss expected there.
    seconds, price : float
        What that training costs: less than the budget where data run out.
    limited_by_data : bool
        Whether more data than there are would have been used.
    beyond : float
        Best N over the largest N measured: above 1 the plan extrapolates.
    gains : tuple of Gain
        One for each axis.
    cost : CostModel
        What was assumed.
    measure : Measure
        What the law is about; ``loss`` and gains are its losses, the words its own values.
    """

    num_parameters: Metric
    num_samples: Metric
    loss: Metric
    seconds: float
    price: float
    limited_by_data: bool
    beyond: float
    gains: tuple[Gain, ...]
    cost: CostModel
    measure: Measure = LOSS

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        content = asdict(self)
        for entry, gain in zip(content["gains"], self.gains, strict=True):
            entry["clears_test_noise"] = gain.clears
        return content

    def summary(self) -> str:
        """Return the plan in sentences."""
        low, high = size(self.num_parameters.low), size(self.num_parameters.high)
        title = self.measure.title
        lines = [
            f"best      {size(self.num_parameters.value)} parameters [{low}, {high}] on "
            f"{size(self.num_samples.value)} samples: {title} {self._value(self.loss)}, "
            f"{_duration(self.seconds)}{self._money(self.price)}"
        ]
        if self.limited_by_data:
            lines.append("          all the data there are; the rest of the budget buys nothing")
        if self.beyond > 1:
            trust = "" if self.beyond <= 10 else ": nothing measured says that the law holds there"
            lines.append(f"          ×{self.beyond:.2g} beyond the largest size measured{trust}")
        for gain in self.gains:
            cost = ""
            if gain.seconds is not None:
                cost = f", {_duration(gain.seconds)}{self._money(gain.price or 0.0)}"
            lines.append(
                f"×10       {gain.axis} from {size(gain.start)}, the largest measured: "
                f"{title} {self._moves(gain.gain)}{_under(gain)}{cost}; {_visibility(gain)}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    def _value(self, loss: Metric) -> str:
        """Return a loss as what is measured, with its interval and unit."""
        shown = self.measure.shown
        own = Metric(shown(loss.value), shown(loss.low), shown(loss.high))
        if self.measure.higher_is_better:
            own = Metric(own.value, own.high, own.low)
        return self.measure.amount(interval(own))

    def _moves(self, gain: Metric) -> str:
        """Say which way, and how far, the outcome goes for a gain, which may be a loss."""
        better = gain.value >= 0
        amount = self.measure.amount(interval(gain if better else negated(gain)))
        return f"{self.measure.moves(better=better)} by {amount}"

    def _money(self, price: float) -> str:
        return f", {self.cost.currency}{price:,.2f}" if self.cost.price_per_hour else ""


def _under(gain: Gain) -> str:
    return f" under {gain.form}, as `law fit` says" if gain.form else ""


def _visibility(gain: Gain) -> str:
    if gain.detectable is None:
        return "whether the test set could see it is unknown without daily losses or noise"
    seen = "the test set could see it" if gain.clears else "below what the test set can see"
    return f"{seen} ({number(gain.detectable)})"


def _duration(seconds: float) -> str:
    units = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
    unit, scale = next(((u, s) for u, s in units if seconds >= s), units[-1])
    return f"{seconds / scale:.3g} {unit}"


def plan(
    law: Law,
    cost: CostModel,
    *,
    hours: float | None = None,
    money: float | None = None,
    num_samples: float | None = None,
    max_samples: float | None = None,
    also: Mapping[str, Law] | None = None,
    test_days: int | None = None,
    noise: float | None = None,
) -> Plan:
    """Plan for a budget of time or money.

    Parameters
    ----------
    law : Law
        A law whose first axis is parameters; its second, where it has one, the samples that a
        training sees (rows × epochs). A third (unique samples) is held at ``max_samples``.
    cost : CostModel
        Speed and price.
    hours, money : float
        The budget: one of the two.
    num_samples : float, optional
        Samples of a training, where the law has parameters alone.
    max_samples : float, optional
        Most samples there are; the largest measured for a law with unique samples.
    also : mapping of str to Law, optional
        Laws along other axes (features, symbols) whose tenfold is priced beside.
    test_days : int, optional
        Decision days of the user's test set; those of the law's table when absent.
    noise : float, optional
        Standard error (in units of the loss) of the difference of two models on that test set;
        estimated from the table's daily losses and seeds when absent.

    Raises
    ------
    FinscaleError
        If a law is not identified, the budget is missing or given twice, or D is unknown.
    """
    for name, each in {"the law": law, **(also or {})}.items():
        if not each.identified:
            raise FinscaleError(
                f"{name} is not identified: {each.reason}.", hint="no plan can rest on it"
            )
    products = cost.products(hours=hours, money=money)
    sizes = _Sizes(law, num_samples, max_samples)
    best_R, data_R, loss_R = sizes.best(products, law.replicates_Rp)
    best_1, data_1, loss_1 = sizes.best(products, law.fit.theta_p[None])
    best, data = float(best_1[0]), float(data_1[0])
    spent = cost.seconds(best, data)
    detectable = _detectable(law, test_days, noise)
    moving = range(min(sizes.num_axes, 2))
    gains = [_gain_of(sizes, axis, cost, detectable) for axis in moving]
    for name, other in (also or {}).items():
        estimate = other.estimates["gain_x10"]
        gain = Metric(estimate.value, *estimate.interval)
        top = float(other.table.x_nd[:, 0].max())
        gains.append(
            Gain(name, top, gain, None, None, _detectable(other, test_days, noise), other.form.name)
        )
    return Plan(
        num_parameters=percentile_metric(best, best_R, law.level),
        num_samples=percentile_metric(data, data_R, law.level),
        loss=percentile_metric(float(loss_1[0]), loss_R, law.level),
        seconds=spent,
        price=spent / 3600 * cost.price_per_hour,
        limited_by_data=best * data < 0.98 * products,
        beyond=best / float(law.table.x_nd[:, 0].max()),
        gains=tuple(gains),
        cost=cost,
        measure=law.table.measure,
    )


class _Sizes:
    """A law as a function of parameters and samples, whatever axes it has."""

    def __init__(self, law: Law, num_samples: float | None, max_samples: float | None) -> None:
        self.law = law
        self.num_axes = len(law.table.axes)
        if self.num_axes == 1 and num_samples is None:
            raise FinscaleError(
                "the law has one axis: how many samples a training sees is not known.",
                hint="--samples, or a table with a column of samples as second --x",
            )
        self.num_samples = num_samples
        self.unique = max_samples
        if self.num_axes == 3 and max_samples is None:
            self.unique = float(law.table.x_nd[:, 2].max())
        # a law with three axes knows what repeated samples are worth: no limit then
        self.most = max_samples if self.num_axes == 2 and max_samples is not None else np.inf

    def predict(self, sizes_X2: Float, theta_Rp: Float) -> Float:
        """Return losses ``[R, X]`` of parameters and samples."""
        # a training that sees fewer samples than there are sees each of them once
        unique_X = np.full(len(sizes_X2), np.inf if self.unique is None else self.unique)
        unique_X = np.minimum(unique_X, sizes_X2[:, 1])
        return self.law.form.predict(
            np.column_stack([sizes_X2, unique_X])[:, : self.num_axes], theta_Rp
        )

    def best(self, products: float, theta_Rp: Float) -> tuple[Float, Float, Float]:
        """Return the best N, its D and the loss there, ``[R]`` each, for N·D within a budget."""
        if self.num_samples is not None and self.num_axes == 1:
            ceiling = products / self.num_samples
            parameters_X = np.geomspace(ceiling * 1e-4, ceiling, _GRID)
            samples_X = np.full(_GRID, self.num_samples)
        else:
            centre = np.sqrt(products)
            parameters_X = np.geomspace(centre * 1e-5, centre * 1e5, _GRID)
            samples_X = np.minimum(products / parameters_X, self.most)
        loss_RX = self.predict(np.stack([parameters_X, samples_X], axis=1), theta_Rp)
        at_R = loss_RX.argmin(axis=1)
        return parameters_X[at_R], samples_X[at_R], loss_RX.min(axis=1)


def _gain_of(sizes: _Sizes, axis: int, cost: CostModel, detectable: float | None) -> Gain:
    """Return the law's own gain from ten times the largest size, as ``law fit`` has it."""
    law = sizes.law
    largest_d = law.fit.problem.x_nd.max(axis=0)
    several = len(law.table.axes) > 1
    estimate = law.estimates[f"gain_x10_{law.form.axes[axis]}" if several else "gain_x10"]
    samples = float(largest_d[1]) if several else float(sizes.num_samples or 0.0)
    ends = [float(largest_d[0]), samples]
    ends[axis] *= 10.0
    seconds = cost.seconds(*ends)
    return Gain(
        axis=law.table.axes[axis],
        start=float(largest_d[axis]),
        gain=Metric(estimate.value, *estimate.interval),
        seconds=seconds,
        price=seconds / 3600 * cost.price_per_hour,
        detectable=detectable,
        form=law.form.name,
    )


def _detectable(law: Law, test_days: int | None, noise: float | None) -> float | None:
    """Return the smallest gain that two models' losses on the test set can show."""
    table = law.table
    if noise is None:
        if not table.has_days or table.seeds_n.max() < 2:
            return None
        covariance = size_covariance(table.losses_nST)
        days = test_days or covariance.num_days
        planned = covariance.scaled(num_days=days, num_seeds=float(covariance.seeds_G.mean()))
        # the next comparison will resemble that of the two largest sizes most
        noise = planned.difference(-2, -1)[1]
    return _DETECTABLE * noise
