"""Who holds a model, its weights and its resume points: one process, or several.

What only several processes need is imported only there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from finscale.training.devices import require_memory
from finscale.training.inputs import Inputs

if TYPE_CHECKING:
    from finscale.config import TrainingConfig
    from finscale.data import FinancialDataset, Split
    from finscale.training.checkpoint import CheckpointFolder, Point
    from finscale.training.distributed import Ranks
    from finscale.training.state import TrainState


def hold(
    model: nn.Module,
    dataset: FinancialDataset,
    split: Split,
    config: TrainingConfig,
    ranks: Ranks,
) -> tuple[nn.Module, Callable[..., Tensor]]:
    """Put a model where it is trained; return it, and what a training calls of it.

    Raises
    ------
    TrainingError
        If it does not fit there, or cannot be shared by several processes.
    """
    if ranks.together:
        from finscale.training.distributed_plan import require_share
        from finscale.training.distributed_wrap import spread

        require_share(model, config, ranks.size)
        if config.strategy != "fsdp":
            model = model.to(config.device)
        window = Inputs(model, dataset, split.train[:0])
        ends_B = torch.from_numpy(split.train[:1]).to(config.device)
        return model, spread(model, ranks, config, lambda: window.of(ends_B))
    require_memory(sum(p.numel() for p in model.parameters()), str(config.device))
    model = model.to(config.device)
    encode: Callable[..., Tensor] = getattr(model, "encode", model)
    return model, encode


def save_point(folder: CheckpointFolder, state: TrainState, ranks: Ranks) -> None:
    """Write a resume point; each of several processes has to call it."""
    if ranks.together:
        from finscale.training import distributed_state

        distributed_state.save_point(folder, state, ranks)
        return
    folder.save(state.tensors(), state.facts(), state.files())


def load_point(folder: CheckpointFolder, state: TrainState, ranks: Ranks) -> Point | None:
    """Read the newest resume point, whoever wrote it: one process or several."""
    if not ranks.together:
        name = folder.find()
        if name is None or not (folder.folder / name).is_dir():
            return None if name is None else folder.read(name)
        from finscale.training.distributed_state import read_shares

        return read_shares(folder, name, state)
    from finscale.training import distributed_state

    return distributed_state.load_point(folder, state, ranks)
