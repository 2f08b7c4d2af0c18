"""Golden losses: twenty steps of each architecture come to the figures that are written down.

They guard the numerics of model, initial weights, loss, optimiser and data order at once. After a
change that is meant to move them: ``GOLDEN=write pytest tests/training/test_golden.py``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from finscale.models import build_model
from finscale.models.zoo import ARCHITECTURES
from finscale.training import fit

GOLDEN = Path(__file__).with_name("golden") / "losses.json"
STEPS = 20
#: fp32 sums in another order (another BLAS, AVX2 or AVX-512, arm64) move the losses of 20 steps by
#: some 1e-5; a wrong term moves them by far more than this.
TOLERANCE = 2e-3


#: Name → the settings of a small model of that architecture; without dropout, whose masks differ
#: from kernel to kernel.
NETWORKS = {
    "patchtst": {"depth": 2, "width": 16, "heads": 2, "patch_length": 8, "stride": 4},
    "mlp": {"width": 16},
    "dlinear": {"width": 4},
    "nlinear": {"width": 4},
    "itransformer": {"depth": 2, "width": 16},
    "tsmixer": {"depth": 2, "ff_width": 16, "width": 8, "rows": 6},
    "tide": {"depth": 2, "width": 8},
    "nhits": {"width": 8},
    "moderntcn": {"width": 4},
    "gru": {"width": 8},
}
#: The one whose parametrisation enters its every part stands there in the standard one too, as it
#: was before there was another.
CASES = [*((name, "mup") for name in NETWORKS), ("patchtst", "standard")]


def test_every_architecture_has_golden_losses() -> None:
    ours = {n for n in ARCHITECTURES if ARCHITECTURES[n].config.__module__.startswith("finscale.")}
    assert ours == {*NETWORKS}


@pytest.mark.parametrize(("name", "parametrisation"), CASES)
def test_twenty_steps_come_to_the_golden_losses(
    name: str, parametrisation: str, make_trainer
) -> None:
    torch.manual_seed(0)
    kind = ARCHITECTURES[name].config
    settings = {**NETWORKS[name], **({"dropout": 0.0} if "dropout" in kind.model_fields else {})}
    model = build_model(
        kind(kind=name, **settings),
        num_features=5,
        context_length=16,
        parametrisation=parametrisation,
    )
    trainer = make_trainer(model=model, parametrisation=parametrisation)
    fit.setup(trainer)
    losses: list[float] = []
    while len(losses) < STEPS:
        for ends_B in trainer.begin_epoch()[: STEPS - len(losses)]:
            fit.step(trainer, ends_B)
            losses.append(trainer.state.losses_S[trainer.state.step - 1].item())
        if len(losses) < STEPS:
            trainer.close_epoch()
    key = name if parametrisation == "mup" else f"{name}, {parametrisation}"
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(json.dumps({**golden, key: losses}, indent=1) + "\n")
        return
    assert losses == pytest.approx(golden[key], rel=TOLERANCE)
