"""Features: declared indicators, nested tiers, a fast engine and the proof that none looks ahead.

============== ==================================================================
`indicators`   the arithmetic: TA-Lib's functions and what TA-Lib has not
`feature`      what a declared feature is
`views`        how a model sees each kind of quantity relatively, without units
`tiers`        the declarations: adding a feature is adding an entry
`engine`       bars in, feature columns out
`relative`     the relative columns of bars and features, comparable across symbols
`causality`    the proof that a value at t does not change with the bars after t
`build`        bars of a store to a registered dataset
============== ==================================================================
"""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "Feature": ".feature",
    "FEATURES": ".tiers",
    "TIERS": ".tiers",
    "VIEWS": ".views",
    "View": ".views",
    "tier_features": ".tiers",
    "tier_names": ".tiers",
    "compute_features": ".engine",
    "compute_columns": ".engine",
    "declared_features": ".relative",
    "dataset_columns": ".relative",
    "relative_columns": ".relative",
    "relative_feature": ".relative",
    "relative_features": ".relative",
    "slowest_feature": ".relative",
    "CHANGES": ".causality",
    "Computation": ".causality",
    "as_function": ".causality",
    "CausalityReport": ".causality",
    "Leak": ".causality",
    "prove_all": ".causality",
    "prove_causality": ".causality",
    "build_dataset": ".build",
    "build_datasets": ".build",
    "dataset_rows": ".build",
    "is_current": ".build",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
