"""AdamW with a model's groups takes the steps of torch's own AdamW."""

import subprocess
import sys

import torch
from torch import nn

from finscale.config import TrainingConfig
from finscale.training.optimizer import make_optimizer, set_learning_rate


class Scaled(nn.Module):
    """Names groups of its own: a head that learns at half the rate, with a larger ε."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 1, bias=False)

    def groups(self):
        body = {"name": "body", "params": list(self.body.parameters()), "decay_factor": 1.0}
        head = {"name": "head", "params": [self.head.weight], "decay_factor": 0.0}
        return [
            {**body, "lr_factor": 1.0, "eps_factor": 1.0},
            {**head, "lr_factor": 0.5, "eps_factor": 10.0},
        ]


def test_updates_are_those_of_torch_adamw() -> None:
    torch.manual_seed(0)
    ours = Scaled()
    theirs = Scaled()
    theirs.load_state_dict(ours.state_dict())
    config = TrainingConfig(learning_rate=1e-2, weight_decay=0.1)
    optimizer = make_optimizer(ours, config)
    reference = torch.optim.AdamW(
        [
            {"params": theirs.body.parameters(), "weight_decay": 0.1},
            {"params": theirs.head.parameters(), "weight_decay": 0.0, "eps": 1e-7, "lr": 5e-3},
        ],
        lr=1e-2,
        betas=config.betas,
        fused=True,
    )
    for step in range(5):
        torch.manual_seed(step)
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            own.grad = torch.randn_like(own)
            other.grad = own.grad.clone()
        set_learning_rate(optimizer, 1e-2)
        optimizer.step()
        reference.step()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(own, other)


def test_the_compiler_is_not_imported() -> None:
    code = """
import sys, torch
from finscale.config import TrainingConfig
from finscale.training.optimizer import make_optimizer
model = torch.nn.Linear(2, 1)
optimizer = make_optimizer(model, TrainingConfig(learning_rate=0.1))
model(torch.ones(3, 2)).sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
assert isinstance(optimizer, torch.optim.AdamW)
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
