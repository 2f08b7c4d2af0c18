"""The baselines that every model is held against unless others are named."""

from __future__ import annotations

#: In ``finscale train``, ``finscale evaluate`` and studies alike. The base rate is climatology;
#: volatility, by itself and with the day's ranges, is what a threshold task has to beat; the
#: logistic and LightGBM see the last row of what a network sees, by a line and by trees.
DEFAULT_BASELINES = ("base_rate", "volatility", "volatility_ranges", "logistic", "lightgbm")
#: The linear model on what a network sees (a regression's ridge has the same name): what a network
#: is worth beyond it is said wherever it is among the baselines.
LINEAR_BASELINE = "logistic"
