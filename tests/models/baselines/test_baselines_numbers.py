"""Baselines against naive loops, hand-made values and the figures of the bundled S&P 500."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from finscale.config import SplitConfig, TaskConfig
from finscale.data import FinancialDataset, fetch_bars
from finscale.data.targets import Labels, label
from finscale.errors import FinscaleError
from finscale.models.baselines import make_baseline
from finscale.models.baselines.baseline import Setting, columns_at
from finscale.models.baselines.constant import realised_labels
from finscale.models.baselines.linear import LinearBaseline
from finscale.models.baselines.views import design
from finscale.models.baselines.volatility import LOG_VOLATILITY

DIRECTION = TaskConfig(name="direction")


def bars(closes: dict[str, list[float]]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "date": np.busday_offset("2020-01-01", np.arange(len(close))),
                "symbol": [symbol] * len(close),
                "high": np.asarray(close) * 1.01,
                "low": np.asarray(close) * 0.99,
                "close": close,
            }
        )
        for symbol, close in closes.items()
    )


def setting(task: TaskConfig = DIRECTION, length: int = 3, features=("close",)) -> Setting:
    return Setting(task, length, tuple(features), seed=0, label=label)


def make(name: str, task: TaskConfig = DIRECTION, **options):
    job = {"context_length": 3, "features": ("close",), "label": label}
    return make_baseline(name, task=task, **job, **options)


def test_base_rate_by_hand():
    frame = bars({"A": [1.0, 2, 1, 2, 1, 2]})
    model = make("base_rate").fit(frame, np.arange(4), np.array([1, 0, 0, 0], np.float32))
    assert model.predict(frame, np.array([4, 5])).tolist() == [math.log(1.5 / 3.5)] * 2
    mean = make("base_rate", TaskConfig(name="regression"))
    mean.fit(frame, np.arange(2), np.array([0.01, 0.03]))
    assert mean.predict(frame, np.array([5])) == pytest.approx([0.02])


def test_expanding_base_rate_counts_labels_of_all_symbols_once_they_are_known():
    # rises of A: 1 1 0, known at its rows 1 2 3; of B: 0 0 1, known at the same dates
    frame = bars({"A": [1.0, 2, 3, 2], "B": [3.0, 2, 1, 5]})
    model = make("base_rate_expanding").fit(frame, np.array([0]), np.array([1.0]))
    logit = model.predict(frame, np.array([0, 1, 2, 3, 7]))
    known = [(0, 0), (1, 2), (2, 4), (3, 6), (3, 6)]
    assert logit.tolist() == [math.log((k + 0.5) / (n - k + 0.5)) for k, n in known]
    mean = make("base_rate_expanding", TaskConfig(name="regression"))
    expected = [0.0, (math.log(2) + math.log(2 / 3)) / 2]
    assert mean.predict(frame, np.array([0, 5])) == pytest.approx(expected, rel=1e-6)


def test_the_newest_label_known_is_that_of_t_minus_h():
    frame = bars({"A": [1.0, 2, 1, 4, 3], "B": [5.0, 4, 6]})
    realised = realised_labels(frame, setting(TaskConfig(name="direction", horizon=2)))
    nan = math.nan
    np.testing.assert_array_equal(realised, [nan, nan, 0, 1, 1, nan, nan, 1])
    assert np.isnan(realised_labels(frame, setting(TaskConfig(horizon=9)))).all()


def test_a_label_is_known_when_the_last_bar_that_it_counts_is_closed():
    frame = bars({"A": [1.0, 2, 1, 4, 3]})

    def three_ahead(frame, task):
        return Labels(np.array([0, 1, *[math.nan] * 3]), np.array([3, 4, 4, 4, 4]), "")

    realised = realised_labels(frame, replace(setting(DIRECTION), label=three_ahead))
    np.testing.assert_array_equal(realised, [*[math.nan] * 3, 0, 1])


def test_persistence_learns_which_way_labels_repeat():
    frame = bars({"A": [1.0, 2] * 30})  # rises and falls take turns
    ends = np.arange(2, 58)
    target = label(frame, DIRECTION).target_R[ends]
    logit = make("persistence").fit(frame, ends, target).predict(frame, ends)
    assert np.array_equal(logit > 0, target > 0.5)


def test_ewma_volatility_equals_a_naive_loop():
    rng = np.random.default_rng(0)
    close = np.exp(np.cumsum(rng.normal(0, 0.01, 50)))
    frame = bars({"A": close.tolist(), "B": close[::-1].tolist()})
    log_volatility = columns_at(frame, [LOG_VOLATILITY], np.arange(100))[:, 0]
    returns = np.diff(np.log(close))
    for row in (1, 2, 30, 49):
        weights = 0.94 ** np.arange(row)[::-1]
        mean_square = (weights * returns[:row] ** 2).sum() / weights.sum()
        assert log_volatility[row] == pytest.approx(0.5 * math.log(mean_square), rel=1e-10)
    assert np.isnan(log_volatility[[0, 50]]).all()  # a first bar has no return


def garch_bars(count: int, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    variance, returns = np.empty(count + 1), np.empty(count)
    variance[0] = 1e-4
    for t in range(count):
        returns[t] = math.sqrt(variance[t]) * rng.normal()
        variance[t + 1] = 2e-6 + 0.1 * returns[t] ** 2 + 0.88 * variance[t]
    return bars({"A": (100 * np.exp(np.cumsum(returns))).tolist()}), variance[1:]


def test_garch_finds_the_variance_of_tomorrow():
    frame, true_variance = garch_bars(2500)
    ends = np.arange(2, 2000)
    target = label(frame, TaskConfig(name="threshold_1pct")).target_R
    model = make("volatility_garch", TaskConfig(name="threshold_1pct"))
    model.fit(frame, ends, target[ends])
    omega, alpha, beta = model.parameters["A"]
    assert (alpha, beta) == (pytest.approx(0.1, abs=0.04), pytest.approx(0.88, abs=0.05))
    later = np.arange(2010, 2490)
    filtered = np.exp(2 * model.design(frame, later)[:, 0])
    assert np.corrcoef(filtered, true_variance[later])[0, 1] > 0.98
    assert np.median(filtered / true_variance[later]) == pytest.approx(1, abs=0.15)
    # the unrolled recursion, step by step
    returns = np.diff(np.log(frame["close"].to_numpy()), prepend=np.log(frame["close"][0]))
    step = omega + alpha * returns[later[1:]] ** 2 + beta * filtered[:-1]
    np.testing.assert_allclose(step, filtered[1:], rtol=1e-9)


def test_garch_of_a_short_or_unknown_symbol_is_riskmetrics():
    frame, _ = garch_bars(200)
    ends = np.arange(2, 190)
    target = label(frame, DIRECTION).target_R[ends]
    model = make("volatility_garch").fit(frame, ends, target)
    assert model.parameters == {"A": (0.0, 0.06, 0.94)}
    unknown = frame.with_columns(symbol=pl.lit("NEW"))
    np.testing.assert_array_equal(model.predict(unknown, ends), model.predict(frame, ends))


def test_a_linear_baseline_uses_its_design():
    frame = bars({"A": [1.0, 2, 3, 4, 5]})
    model = LinearBaseline(setting(), lambda frame, ends: ends[:, None].astype(float))
    model.fit(frame, np.arange(4), np.array([0, 0, 1, 1.0]))
    logit = model.predict(frame, np.arange(5))
    assert (np.diff(logit) > 0).all()
    assert logit[1] + logit[2] == pytest.approx(0, abs=1e-6)


def test_the_window_view_by_hand():
    frame = bars({"A": [1.0, 2, 3, 3, 3, 3]}).with_columns(flat=pl.lit(0.0))
    shown = design(setting(features=("close", "flat")), "window")(frame, np.array([2, 5]))
    spread = math.sqrt(2 / 3)
    assert shown[0] == pytest.approx([1 / spread, 0, math.log(spread / 2), 0])
    assert shown[1] == pytest.approx([0, 0, math.log(1e-6), 0], abs=1e-3)


def test_the_summary_view_by_hand():
    frame = bars({"A": [1.0, 2, 6, 3]}).with_columns(rel_close=pl.col("close") * 10)
    plain = setting(features=("close", "low"))
    last, mean, least, greatest, slope = 6, 3, 1, 6, 2.5  # of 1, 2, 6
    spread = math.sqrt((4 + 1 + 9) / 3)
    shown = design(replace(plain, relative=("rel_close",)), "summary")(frame, np.array([2, 3]))
    expected = [last * 10, mean * 10, spread * 10, least * 10, greatest * 10, slope * 10]
    assert shown[0] == pytest.approx(expected)
    assert shown[1, 5] == pytest.approx(5)
    assert design(plain, "summary")(frame, np.array([2]))[0, ::2] == pytest.approx(
        [last, mean, spread, least, greatest, slope]
    )
    assert design(plain, "summary")(frame, np.array([], dtype=int)).shape == (0, 12)


def test_the_last_view_shows_the_relative_columns_and_without_any_the_features():
    frame = bars({"A": [1.0, 2, 3]}).with_columns(rel_close=pl.Series([None, math.inf, 0.4]))
    plain = setting(features=("close", "low"))
    relative = replace(plain, relative=("rel_close",))
    row = np.array([1])
    assert design(plain, "last")(frame, row).tolist() == [[2.0, 1.98]]
    assert design(relative, "level")(frame, row).tolist() == [[2.0, 1.98]]
    shown = design(relative, "last")(frame, np.arange(3))[:, 0]
    np.testing.assert_array_equal(shown, [math.nan, math.nan, 0.4])


def test_a_view_or_a_column_that_is_not_there_gets_one_sentence():
    frame = bars({"A": [1.0, 2, 3]})
    with pytest.raises(FinscaleError, match="'lats' is no view of a window") as error:
        make("logistic", view="lats")
    assert error.value.hint == "Did you mean last?"
    missing = design(replace(setting(), relative=("rel_close",)), "last")
    with pytest.raises(FinscaleError, match="reads column rel_close, which the frame does not"):
        missing(frame, np.array([1]))


def test_the_complexity_dial_is_the_number_of_features():
    frame, _ = garch_bars(300)
    ends = np.arange(2, 290)
    target = label(frame, DIRECTION).target_R[ends]
    for complexity in (16, 1000):  # fewer and more features than windows
        model = make("random_fourier", complexity=complexity).fit(frame, ends, target)
        assert model.head.weight_K.shape == (complexity,)
        assert np.isfinite(model.predict(frame, ends)).all()


@pytest.fixture(scope="module")
def sp500():
    frame = fetch_bars("bundled", "SP500").adjusted()[199:]  # as after a20's warm-up
    dataset = FinancialDataset.from_frames([frame], context_length=80, task=TaskConfig())
    split = dataset.split(SplitConfig(train_end="2011-12-31", validation_end="2014-12-31"))
    return dataset, split


@pytest.mark.parametrize(
    ("name", "log_loss", "auc"),
    [
        ("base_rate", 0.4593, 0.5),
        ("volatility", 0.3705, 0.777),
        ("volatility_ranges", 0.3492, 0.812),
        ("volatility_garch", 0.3692, 0.784),
        ("momentum", 0.3828, 0.794),
    ],
)
def test_figures_of_the_bundled_sp500(sp500, name, log_loss, auc):
    dataset, split = sp500
    model = make_baseline(name, task=dataset.task, context_length=80, features=dataset.features)
    model.fit(dataset.frame, split.train, dataset.targets(split.train))
    logit, yes = model.predict(dataset.frame, split.test), dataset.targets(split.test) > 0.5
    assert yes.size == 1005
    loss = np.logaddexp(0, np.where(yes, -logit, logit)).mean()
    order = logit[yes][:, None] - logit[~yes][None, :]
    assert loss == pytest.approx(log_loss, abs=6e-4)
    assert ((order > 0) + 0.5 * (order == 0)).mean() == pytest.approx(auc, abs=1.5e-3)
