"""The baselines that every model is held against unless others are named."""

from __future__ import annotations

#: In ``finscale train``, ``finscale evaluate`` and studies alike. The base rate is climatology,
#: volatility is what a threshold task has to beat, and the logistic sees what a network sees. Two
#: that are at hand do not belong here. Gradient boosting needs an extra (lightgbm), and what a run
#: is held against must not depend on what is installed. Volatility with ranges is a narrower
#: logistic, which says nearly the same. Both can be named.
DEFAULT_BASELINES = ("base_rate", "volatility", "logistic")
#: The linear model on what a network sees (a regression's ridge has the same name): what a network
#: is worth beyond it is said wherever it is among the baselines.
LINEAR_BASELINE = "logistic"
