"""Models without numbers: the same shapes, nothing drawn, nothing heavy imported."""

import subprocess
import sys

import torch

from finscale.config import ModelConfig
from finscale.models import build_model, count_parameters, resolve_model
from finscale.models.blank import without_numbers

SHAPE = {"num_features": 25, "context_length": 80}


def test_shapes_and_counts_are_those_of_the_model_itself():
    network = resolve_model(ModelConfig(budget=50_000), **SHAPE)
    with without_numbers():
        blank = build_model(network, **SHAPE)
    model = build_model(network, **SHAPE)
    assert {n: (p.shape, p.requires_grad) for n, p in blank.named_parameters()} == {
        n: (p.shape, p.requires_grad) for n, p in model.named_parameters()
    }
    assert all(tensor.is_meta for tensor in blank.state_dict().values())
    assert count_parameters(blank) == count_parameters(model)


def test_no_random_number_is_used_up_and_afterwards_weights_are_drawn_again():
    torch.manual_seed(3)
    with without_numbers():
        torch.nn.Linear(4, 4)
    layer = torch.nn.Linear(4, 4)
    torch.manual_seed(3)
    assert torch.equal(layer.weight, torch.nn.Linear(4, 4).weight)


def test_neither_compiler_nor_algebra_is_imported():
    code = """
import sys
from finscale.config import ModelConfig
from finscale.models import build_model, count_parameters, flops_per_sample, resolve_model
from finscale.models.blank import without_numbers
shape = {"num_features": 25, "context_length": 80}
network = resolve_model(ModelConfig(budget=50_000), **shape)
with without_numbers():
    model = build_model(network, **shape)
count_parameters(model), flops_per_sample(model)
print(*{"torch._dynamo", "sympy"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
