"""Two processes that take the loop's own step on a wrapped model; run by test_distributed.py.

Prints each step's weights' digest and gradient-averaged loss from the first process.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from finscale.config import ModelConfig, TaskConfig, TrainingConfig
from finscale.models import build_model
from finscale.training import Trainer, fit

spec = importlib.util.spec_from_file_location("conftest", Path(__file__).with_name("conftest.py"))
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)


def wrapped(model, way):
    """Return the model as one process, one of two with all weights, or one of two with half."""
    if way == "ddp":
        return DistributedDataParallel(model)
    if way == "fsdp":
        for layer in model.encoder.layers:
            fully_shard(layer)
        fully_shard(model)
        register_fsdp_forward_method(model, "encode")
    return model


def train(way, rank, num_ranks):
    """Take four steps, each process on its share of the windows; return the weights."""
    task = TaskConfig(name="threshold_1pct")
    dataset = shared.make_dataset(task)
    split = dataset.split(shared.SPLIT)
    torch.manual_seed(0)
    network = ModelConfig(depth=2, width=8, heads=2, patch_length=8, stride=4, dropout=0.0)
    model = wrapped(build_model(network, num_features=5, context_length=16), way)
    # the schedule counts steps, so the batch is all processes together
    config = TrainingConfig(**shared.SETTINGS, clip_norm=0.1)
    trainer = Trainer(model, dataset.scaled(split.train), split, config, task=task)
    fit.setup(trainer)
    trainer.model.train()
    ends = torch.from_numpy(np.sort(split.train)[: 4 * 32]).view(4, 32)
    for ends_B in ends:
        fit.step(trainer, ends_B.chunk(num_ranks)[rank])
    weights = {}
    for name, parameter in trainer.model.named_parameters():
        whole = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
        weights[name.removeprefix("module.")] = whole.detach().flatten().tolist()
    return weights


if __name__ == "__main__":
    way, folder = sys.argv[1:3]
    rank = int(os.environ.get("RANK", "0"))
    num_ranks = int(os.environ.get("WORLD_SIZE", "1"))
    torch.set_num_threads(1)
    if num_ranks > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=num_ranks
        )
    weights = train(way, rank, num_ranks)
    if rank == 0:
        (Path(folder) / "weights.json").write_text(json.dumps(weights))
    if num_ranks > 1:
        dist.destroy_process_group()
