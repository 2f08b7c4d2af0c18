"""Columns against implementations from elsewhere, to 1e-9, on days that a hand picked.

A crash, a day after a downgrade, a calm day. Each column is computed by finscale on all bars of the
S&P 500 and by another library on the window, or the history, that its words name.
"""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pytest

from finscale.data import fetch_bars
from finscale.features import compute_features

pd = pytest.importorskip("pandas")
DAYS = (dt.date(2008, 10, 15), dt.date(2011, 8, 8), dt.date(2017, 10, 20))


@pytest.fixture(scope="module")
def bars():
    return fetch_bars("bundled", "SP500").adjusted()


@pytest.fixture(scope="module")
def history(bars):
    """Return the bars as a pandas frame, dates its index."""
    names = ("open", "high", "low", "close", "volume")
    columns = {name: bars[name].to_numpy() for name in names}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(bars["date"].to_numpy()))


def returns(bars, count):
    return np.diff(np.log(bars["close"].to_numpy()))[-count:]


def windowed(count):
    """Make of a function of the last ``count`` log returns one of the bars up to a day."""
    return lambda function: lambda bars: function(returns(bars, count))


def _scipy(name, **options):
    import scipy.stats

    return lambda r: getattr(scipy.stats, name)(r, **options)


def _acf(r):
    from statsmodels.tsa.stattools import acf

    return acf(r, nlags=1, adjusted=True, fft=False)[1]


def _permutation(r):
    import antropy

    return antropy.perm_entropy(r, order=3, normalize=True)


def _petrosian(r):
    import antropy

    return antropy.petrosian_fd(r)


def _hjorth(index):
    def compute(r):
        import antropy

        return antropy.hjorth_params(r)[index]

    return compute


def _katz(r):
    import antropy

    return antropy.katz_fd(np.cumsum(r))  # the path, not its steps


def _ta(module, kind, method, columns, **options):
    def compute(bars):
        library = pytest.importorskip(f"ta.{module}")
        one = getattr(library, kind)(*(bars[name] for name in columns), **options)
        return getattr(one, method)().iloc[-1]

    return compute


def _classic(name, columns, pick=None, **options):
    def compute(bars):
        library = pytest.importorskip("pandas_ta_classic")
        found = getattr(library, name)(*(bars[c] for c in columns), talib=False, **options)
        return (found if pick is None else found.iloc[:, pick]).iloc[-1]

    return compute


def _slope(bars):
    from scipy.stats import linregress

    close = bars["close"].to_numpy()[-20:]
    return linregress(np.arange(20.0), close).slope / close[-1]


def _r_squared(bars):
    from scipy.stats import linregress

    return linregress(np.arange(20.0), bars["close"].to_numpy()[-20:]).rvalue ** 2


def _gap(bars, average):
    last = average if np.isscalar(average) else average.iloc[-1]
    return np.log(bars["close"].iloc[-1] / last)


def _average(kind):
    return _classic(kind, ("close",), length=20)


def _accumulation(bars):
    library = pytest.importorskip("ta.volume")
    line = library.AccDistIndexIndicator(*(bars[c] for c in HLCV)).acc_dist_index()
    fast, slow = (line.ewm(span=span, adjust=False).mean() for span in (3, 10))
    return (fast - slow).iloc[-1]


HLC, HLCV = ("high", "low", "close"), ("high", "low", "close", "volume")
STOCHASTIC = _ta("momentum", "StochasticOscillator", "stoch", HLC, window=14)
AROON = _ta("trend", "AroonIndicator", "aroon_indicator", ("high", "low"), window=14)
MONEY_FLOW = _ta("volume", "MFIIndicator", "money_flow_index", HLCV, window=20)
#: Column → bars up to a day as a pandas frame → its value there.
OUTSIDE = {
    "sma_200": lambda b: b["close"].rolling(200).mean().iloc[-1],
    "dema_20": _classic("dema", ("close",), length=20),
    "rsi_14": _ta("momentum", "RSIIndicator", "rsi", ("close",)),
    "atr_14": _ta("volatility", "AverageTrueRange", "average_true_range", HLC),
    "adx_14": _ta("trend", "ADXIndicator", "adx", HLC),
    "macd_12_26_9": _ta("trend", "MACD", "macd", ("close",)),
    "bollinger_b_20": _ta("volatility", "BollingerBands", "bollinger_pband", ("close",)),
    "vwap_20": _ta(
        "volume", "VolumeWeightedAveragePrice", "volume_weighted_average_price", HLCV, window=20
    ),
    "cci_14_value": lambda b: _ta("trend", "CCIIndicator", "cci", HLC, window=14)(b) / 200,
    "aroon_14_value": lambda b: AROON(b) / 100,
    "volume_cmf_20_value": _ta("volume", "ChaikinMoneyFlowIndicator", "chaikin_money_flow", HLCV),
    "volume_mfi_20_value": lambda b: MONEY_FLOW(b) / 50 - 1,
    "vol_cc_20_value": windowed(20)(lambda r: np.log(np.sqrt((r**2).mean()))),
    "stat_skewness_60": windowed(60)(_scipy("skew")),
    "stat_kurtosis_60": windowed(60)(_scipy("kurtosis")),
    "stat_autocorrelation_1_60": windowed(60)(_acf),
    "entropy_permutation_3_60": windowed(60)(_permutation),
    "entropy_petrosian_60": windowed(60)(_petrosian),
    "entropy_mobility_60": windowed(60)(_hjorth(0)),
    "entropy_complexity_60": windowed(60)(_hjorth(1)),
    "entropy_katz_60": windowed(60)(_katz),
    "op_beta_20": _slope,
    "ema_20_gap": lambda b: _gap(b, b["close"].ewm(span=20, adjust=False).mean()),
    "wma_20_gap": lambda b: _gap(b, _average("wma")(b)),
    "hma_20_gap": lambda b: _gap(b, _average("hma")(b)),
    "tema_20_gap": lambda b: _gap(b, _average("tema")(b)),
    "trima_20_gap": lambda b: _gap(b, b["close"].rolling(10).mean().rolling(11).mean()),
    "kama_20_gap": lambda b: _gap(b, _average("kama")(b)),
    "adosc_3_10": _accumulation,
    "stoch_14_value": lambda b: STOCHASTIC(b) / 50 - 1,
    "vortex_14_value": _ta("trend", "VortexIndicator", "vortex_indicator_diff", HLC, window=14),
    "op_rsqr_20": _r_squared,
    "op_rank_20": lambda b: b["close"].rolling(20).rank(pct=True).iloc[-1] - 0.5 / 20,
    "op_std_20": lambda b: b["close"].rolling(20).std(ddof=0).iloc[-1] / b["close"].iloc[-1],
    "op_qtlu_20": lambda b: np.log(
        b["close"].rolling(20).quantile(0.8).iloc[-1] / b["close"].iloc[-1]
    ),
    "risk_drawdown_60": lambda b: np.log(b["close"] / b["close"].rolling(61).max()).iloc[-1],
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_column_is_what_another_library_makes_of_the_same_bars(name, bars, history):
    values = compute_features(bars, [name]).select("date", name)
    for day in DAYS:
        own = values.filter(date=day)[name][0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = OUTSIDE[name](history[: pd.Timestamp(day)])
        assert own == pytest.approx(other, rel=1e-9, abs=1e-12), day


def test_twenty_columns_or_more_are_checked():
    assert len(OUTSIDE) >= 20
