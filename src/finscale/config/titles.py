"""How names of settings, models and scores are written in prose: one table for every page."""

from __future__ import annotations

#: Name → as people write it, where that is more than spaces for underscores.
TITLES = {
    "auc": "AUC",
    "brier": "Brier score",
    "dlinear": "DLinear",
    "gru": "GRU",
    "itransformer": "iTransformer",
    "lightgbm": "LightGBM",
    "mlp": "MLP",
    "moderntcn": "ModernTCN",
    "nhits": "N-HiTS",
    "nlinear": "NLinear",
    "patchtst": "PatchTST",
    "prediction_max": "highest prediction",
    "prediction_min": "lowest prediction",
    "r2_oos": "R² out of sample",
    "rmse": "RMSE",
    "tide": "TiDE",
    "tsmixer": "TSMixer",
    "volatility_ranges": "volatility with ranges",
}


def title(name: str) -> str:
    """Return a name as people write it.

    Examples
    --------
    >>> title("base_rate"), title("lightgbm")
    ('base rate', 'LightGBM')
    """
    return TITLES.get(name) or name.replace("_", " ")
