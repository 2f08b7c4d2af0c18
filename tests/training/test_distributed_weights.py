"""Weights drawn in shares are those of one process, and the whole model is never in memory."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import nn

from finscale.config.model import model_section
from finscale.errors import FinscaleWarning
from finscale.models import build_model
from finscale.training.distributed import Part, Ranks
from finscale.training.distributed_weights import CannotShare, build_sharded, build_shared

NETWORKS = [
    {"kind": "patchtst", "depth": 2, "width": 8, "heads": 2, "revin_affine": True},
    {"kind": "patchtst", "budget": "20k", "linear_path": "zero"},
    {"kind": "dlinear", "width": 4},
    {"kind": "nlinear", "width": 4},
    {"kind": "itransformer", "budget": "20k"},
    {"kind": "tsmixer", "budget": "20k"},
    {"kind": "tide", "budget": "20k"},
    {"kind": "mlp", "width": 8},
    {"kind": "nhits", "budget": "20k"},
    {"kind": "moderntcn", "budget": "20k"},
    {"kind": "gru", "width": 8, "depth": 2},
]


@pytest.mark.parametrize("content", NETWORKS, ids=lambda content: content["kind"])
@pytest.mark.parametrize("parametrisation", ["mup", "standard"])
def test_shares_are_cut_from_the_weights_of_one_process(content, parametrisation) -> None:
    network = model_section(content).model_validate(content)

    def build() -> nn.Module:
        return build_model(
            network,
            num_features=5,
            context_length=32,
            num_relative=3,
            parametrisation=parametrisation,
        )

    torch.manual_seed(4)
    whole = build()
    after = torch.get_rng_state()
    parts = []
    for rank in range(3):
        torch.manual_seed(4)
        shared = build_sharded(build, Ranks(rank, 3))
        assert torch.equal(torch.get_rng_state(), after)
        assert all(parameter.is_meta for parameter in shared.parameters())
        assert not any(buffer.is_meta for buffer in shared.buffers())
        parts.append(shared.__dict__["first_shares"])
    for name, parameter in whole.named_parameters():
        assert torch.equal(torch.cat([part[name] for part in parts]), parameter), name


class Halves(nn.Module):
    """Draws the two halves of its matrix one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(4, 2))
        for half in self.weight.detach().split(2):
            nn.init.normal_(half)


def test_a_construction_that_cannot_be_shared_is_whole_and_says_so() -> None:
    with pytest.raises(CannotShare):
        build_sharded(Halves, Ranks(0, 2))
    torch.manual_seed(4)
    expected = Halves().weight
    with pytest.warns(FinscaleWarning, match="in its main memory"):
        found = build_shared(Halves, Ranks(0, 2), seed=4)
    assert torch.equal(found.weight, expected)


@pytest.mark.parametrize(("total", "size"), [(64, 4), (5, 2), (3, 4), (1, 2), (7, 3)])
def test_parts_cover_a_batch_once(total: int, size: int) -> None:
    parts = [Ranks(rank, size).part_of(total) for rank in range(size)]
    counted = [row for part in parts if part.counts for row in range(total)[part.rows]]
    assert counted == list(range(total))
    assert all(len(range(total)[part.rows]) >= 1 for part in parts)
    sizes = [part.num_counted for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(before >= after for before, after in pairwise(sizes))
    assert parts[0] == Part(0, sizes[0], total)


#: Builds a model whole, or one of eight shares; prints what that added to the process's peak.
PEAK = """
import json, resource, sys, torch
from finscale.config import ModelConfig
from finscale.models import build_model
from finscale.training.distributed import Ranks
from finscale.training.distributed_weights import build_sharded
import torch._dynamo
def peak(): return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
network = ModelConfig(budget=sys.argv[1])
shape = dict(num_features=5, context_length=80)
before = peak()
build = lambda: build_model(network, **shape)
model = build() if sys.argv[2] == "whole" else build_sharded(build, Ranks(3, 8))
count = sum(p.numel() for p in model.parameters())
print(json.dumps({"added": peak() - before, "weights": 4 * count}))
"""


@pytest.mark.slow
def test_a_share_is_drawn_without_the_whole() -> None:
    def measured(how: str) -> dict[str, int]:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "100M", how], capture_output=True, text=True, check=True
        )
        found: dict[str, int] = json.loads(done.stdout)
        return found

    share, whole = measured("share"), measured("whole")
    assert whole["added"] > 0.9 * whole["weights"]
    # its eighth, one parameter whole, and what building takes
    assert share["added"] < 0.25 * whole["weights"]
