"""What of a model decays, by name and by hand."""

import pytest
from torch import nn

from finscale.models import PatchTST
from finscale.models.groups import parameter_groups


def names(model: nn.Module) -> dict[str, set[str]]:
    of = {id(parameter): name for name, parameter in model.named_parameters()}
    return {g["name"]: {of[id(p)] for p in g["params"]} for g in parameter_groups(model)}


def test_matrices_of_a_patchtst_decay_and_nothing_else() -> None:
    sizes = {"num_features": 5, "context_length": 16, "depth": 1, "width": 8, "heads": 2}
    model = PatchTST(**sizes, ff_width=16, patch_length=8, stride=4, instance_stats=True)
    groups = {group["name"]: group for group in parameter_groups(model)}
    assert groups["matrices"]["decay_factor"] == 1
    assert groups["vectors"]["decay_factor"] == 0
    found = names(model)
    assert {name for name in found["matrices"] if not name.endswith("weight")} == set()
    assert "encoder.layers.0.attention.qkv.weight" in found["matrices"]
    assert "embedding.position.place_TD" in found["vectors"]
    assert {n for n in dict(model.named_parameters()) if "norm" in n or "bias" in n} <= found[
        "vectors"
    ]


def test_other_layers_by_hand() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(4, 3)
            self.conv = nn.Conv1d(3, 3, 2)
            self.attention = nn.MultiheadAttention(2, 1)
            self.cell = nn.GRU(3, 2)
            self.place = nn.Parameter(nn.init.zeros_(nn.Parameter(nn.Linear(3, 2).weight)))

    assert names(Other())["matrices"] == {
        "conv.weight",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "cell.weight_ih_l0",
        "cell.weight_hh_l0",
    }


def test_a_weight_that_two_layers_share_stands_once() -> None:
    one, other = nn.Linear(3, 3), nn.Linear(3, 3)
    other.weight = one.weight
    assert names(nn.Sequential(one, other)) == {
        "matrices": {"0.weight"},
        "vectors": {"0.bias", "1.bias"},
    }


def test_groups_that_leave_a_parameter_out_are_refused() -> None:
    class Forgetful(nn.Linear):
        def groups(self):
            return parameter_groups(nn.Sequential(nn.Linear(1, 1)))

    with pytest.raises(ValueError, match=r"Forgetful.groups\(\) must hold each parameter"):
        parameter_groups(Forgetful(2, 2))
