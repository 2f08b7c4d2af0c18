"""What each paper trained on ETTh1, and the test MSE that it published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

HORIZONS = (96, 192, 336, 720)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One model's settings on ETTh1; those of its authors but for what ``ours`` names.

    Rates are meant for the standard parametrisation: one for all parameters.
    """

    look_back: int
    model: Mapping[str, Any]
    """Settings of the model section."""
    normalise: bool = True
    """Whether windows get mean 0 and deviation 1 (RevIN)."""
    lr: float
    """Adam's peak learning rate."""
    schedule: Literal["cycle", "halving", "thirds", "constant"]
    """One cycle over all steps; halved at every epoch from the third on; halved after each third of
    the epochs; or constant."""
    batch: int
    epochs: int
    patience: int
    """Epochs without a better validation MSE after which training stops."""
    steps: int | None = None
    """Steps of an epoch, where it ends before every window has been seen."""
    loss: Literal["mse", "mae"] = "mse"
    precision: Literal["fp32", "bf16-mixed"] = "fp32"
    """Arithmetic of training; scores are computed in fp32."""
    at: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """What differs at a horizon; settings of the model are added to those above."""
    published: Mapping[int, float]
    """Test MSE by horizon."""
    source: str
    """Where settings and figures stand."""
    ours: str = ""
    """What is not the authors'."""

    def settings(self, horizon: int) -> dict[str, Any]:
        """Return everything that decides a result, as JSON has it; what is absent is left out."""
        changes = dict(self.at.get(horizon, {}))
        model = {**self.model, **changes.pop("model", {})}
        found = asdict(replace(self, **changes, model=model))
        for name in ("at", "published", "source", "ours"):
            del found[name]
        result: dict[str, Any] = json.loads(json.dumps(found))
        return {name: value for name, value in result.items() if value is not None}


def _published(*values: float) -> dict[int, float]:
    return dict(zip(HORIZONS, values, strict=True))


_PATCHTST: dict[str, Any] = {
    "model": {
        "depth": 3, "width": 16, "heads": 4, "ff_width": 128, "pad_end": True,
        "channels": "independent", "norm": "batch", "dropout": 0.3,
    },
    "lr": 1e-3, "schedule": "cycle", "batch": 128, "epochs": 4, "patience": 4,
}  # fmt: skip

#: By the name that ``--architecture`` takes: a registered architecture, and a look-back behind a
#: colon where there is a second one.
RECIPES: dict[str, Recipe] = {
    "patchtst": Recipe(
        **_PATCHTST,
        look_back=336,
        published=_published(0.375, 0.414, 0.431, 0.449),
        source="Nie et al. (2023), table 3, PatchTST/42",
        ours="one cycle of 4 epochs to a rate of 1e-3, chosen on validation, for 100 epochs at "
        "1e-4; no attention residual",
    ),
    "patchtst:96": Recipe(
        **_PATCHTST,
        look_back=96,
        published=_published(0.414, 0.460, 0.501, 0.500),
        source="Liu et al. (2024), table 10, a re-run of PatchTST at look-back 96",
        ours="the sizes and schedule of PatchTST/42",
    ),
    "dlinear": Recipe(
        model={},
        normalise=False,
        look_back=336,
        lr=1e-4, schedule="halving", batch=8, epochs=10, patience=3,
        published=_published(0.375, 0.405, 0.439, 0.472),
        source="Zeng et al. (2023), table 2; scripts/EXP-LongForecasting/DLinear/etth1.sh",
    ),
    "nlinear": Recipe(
        model={},
        look_back=336,
        lr=5e-3, schedule="halving", batch=32, epochs=10, patience=3,
        published=_published(0.374, 0.408, 0.429, 0.440),
        source="Zeng et al. (2023), table 2; scripts/EXP-LongForecasting/Linear/etth1.sh",
    ),
    "itransformer": Recipe(
        model={
            "depth": 2, "width": 256, "ff_width": 256, "head_size": 32, "dropout": 0.1,
            "attention_dropout": 0.1,
        },
        look_back=96,
        lr=1e-4, schedule="halving", batch=32, epochs=10, patience=3,
        at={
            horizon: {"model": {"width": 512, "ff_width": 512, "head_size": 64}}
            for horizon in (336, 720)
        },
        published=_published(0.386, 0.441, 0.487, 0.503),
        source="Liu et al. (2024), table 10; scripts/multivariate_forecasting/ETT/"
        "iTransformer_ETTh1.sh",
        ours="no tokens of calendar marks",
    ),
    "tsmixer": Recipe(
        model={"depth": 6, "ff_width": 512, "norm": "batch", "dropout": 0.9},
        look_back=512,
        lr=1e-3, schedule="cycle", batch=32, epochs=3, patience=3, precision="bf16-mixed",
        at={192: {"model": {"depth": 4, "ff_width": 256}}},
        published=_published(0.361, 0.404, 0.420, 0.463),
        source="Chen et al. (2023): figures of table 2 from memory; settings from its appendix, at "
        "336 and 720 those of 96",
        ours="one cycle of 3 epochs to a rate of 1e-3 in bf16 for up to 100 epochs at 1e-4; no "
        "learned scale and shift behind normalising",
    ),
    "tide": Recipe(
        model={
            "depth": 1, "width": 512, "decoder_width": 32, "temporal_width": 16, "dropout": 0.5,
        },
        look_back=720,
        lr=9.848942e-4, schedule="cycle", batch=32, epochs=4, patience=4,
        at={
            horizon: {
                "model": {"width": 256, "decoder_width": 8, "temporal_width": 128, "dropout": 0.3}
            }
            for horizon in (336, 720)
        },
        published=_published(0.375, 0.412, 0.435, 0.454),
        source="Das et al. (2023), table 2; tide/scripts/etth1.sh",
        ours="one cycle of 4 epochs in batches of 32 windows for up to 100 epochs in batches of "
        "one; no calendar and holiday features, no embedding of each series, no learned scale",
    ),
    "nhits": Recipe(
        model={
            "width": 512, "depth": 2, "pooling": [8, 4, 1], "rows_per_knot": [24, 12, 1],
            "dropout": 0.0,
        },
        normalise=False,
        look_back=480,
        lr=1e-3, schedule="thirds", batch=256, steps=50, epochs=20, patience=10, loss="mae",
        at={horizon: {"look_back": 5 * horizon} for horizon in (192, 336, 720)},
        published=_published(0.378, 0.427, 0.458, 0.561),
        source="figures: as handed down, no table of theirs at hand; settings: "
        "nhits_multivariate.py of cchallu/n-hits, whose own runs are on ETTm2 alone",
        ours="one of the pooling and interpolation rates that the authors search; each series "
        "alone, as in the paper, where their code reads all of them at once; weights by validation "
        "MSE, not MAE",
    ),
    "moderntcn": Recipe(
        model={
            "width": 64, "ff_ratio": 1, "depth": 1, "kernel": 51, "patch_length": 8, "stride": 4,
            "dropout": 0.3,
        },
        look_back=336,
        lr=1e-4, schedule="constant", batch=128, epochs=4, patience=2,
        published=_published(0.368, 0.405, 0.391, 0.450),
        source="figures: Luo & Wang (2024), from memory; settings: scripts/ETTh1.sh of "
        "luodhhh/ModernTCN",
        ours="up to 4 epochs of 64 steps, all at 1e-4, for up to 100 of 16 steps whose rates fall "
        "by a tenth each and add up to 192 steps at 1e-4; dropout of .3 in front of the head too",
    ),
}  # fmt: skip
