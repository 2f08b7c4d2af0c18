"""
A feature that sees tomorrow, caught
====================================

A centred moving average looks harmless in a chart and makes every backtest shine. The proof of
causality changes the bars after t and asks whether the value at t moves.
"""

# %%
# Real bars, and three ways to smooth them: two that know the past alone, one that does not.

import matplotlib.pyplot as plt
import polars as pl

import finscale as fs
from finscale.data import fetch_bars

bars = fetch_bars("bundled", "SP500").adjusted()
features = {
    "mean of the last 21": pl.col("close").rolling_mean(21),
    "exponential mean": pl.col("close").ewm_mean(span=21, adjust=False),
    "centred mean of 21": pl.col("close").rolling_mean(21, center=True),
}

# %%
# The crash of 2008: the centred mean turns before the market does.

crash = bars.with_columns(**features).filter(
    pl.col("date").is_between(pl.date(2008, 8, 1), pl.date(2008, 12, 31))
)
fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.plot(crash["date"], crash["close"], color="0.6", lw=1, label="close")
for name, colour in zip(features, ("#2f6db5", "#4c9a6a", "#d9792b"), strict=True):
    ax.plot(crash["date"], crash[name], color=colour, label=name)
ax.set(ylabel="S&P 500")
ax.legend(frameon=False)

# %%
# After about forty rows the future is scaled, made noisy, mirrored and cut off. Values up to there
# have to stay identical to the bit; the first that moves is named.

for name, feature in features.items():
    report = fs.prove_causality(feature, bars)
    print(f"{name}: {report.describe()}\n")

plt.show()
