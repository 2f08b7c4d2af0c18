"""Weights and resume points of a model that several processes hold.

What every process holds whole is written by the first one, in the format of one process. Shares are
written by ``torch.distributed.checkpoint``, each process its own, as safetensors: a folder
``point-<n>`` instead of a file, beside the same index. Any number of processes reads either kind.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import (
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor, distribute_tensor

from finscale.files import write_json
from finscale.training.checkpoint import (
    CheckpointFolder,
    Point,
    load_tensors,
    read_facts,
    save_tensors,
)

if TYPE_CHECKING:
    from finscale.training.distributed import Ranks
    from finscale.training.state import TrainState

_FACTS = "facts.json"
#: Marks a number that is written as a vector of one: safetensors cannot be asked for a part of it.
_SCALAR = "@"


def is_sharded(tensors: Mapping[str, Tensor]) -> bool:
    """Tell whether some tensors are shares."""
    return any(isinstance(tensor, DTensor) for tensor in tensors.values())


def whole_tensors(tensors: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Return tensors whole, on a CPU where they were shares; nothing but on the first process.

    Every process has to call it. One tensor at a time is gathered.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, DTensor):
            gathered = tensor.full_tensor()
            if ranks.leads:
                found[name] = gathered.cpu()
        elif ranks.leads:
            found[name] = tensor
    return found


def save_best(path: Path, weights: Mapping[str, Tensor], ranks: Ranks) -> str:
    """Write weights whole and return the file's SHA-256, on every process."""
    gathered = whole_tensors(weights, ranks)
    return ranks.told(save_tensors(path, gathered) if ranks.leads else "")


def load_best(path: Path, likes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read weights that were written whole; of each a share where ``likes`` has one."""
    return _read_file(path, likes) if is_sharded(likes) else load_tensors(path)


def save_point(folder: CheckpointFolder, state: TrainState, ranks: Ranks) -> None:
    """Write a resume point; every process has to call it."""
    tensors = state.tensors()
    if not is_sharded(tensors):
        if ranks.leads:
            folder.save(tensors, state.facts(), state.files())
        ranks.wait_for_all()
        return
    with folder.timed():
        name = ranks.told(folder.next_name())
        place = folder.folder / name
        if ranks.leads:  # of a write that was killed
            shutil.rmtree(place, ignore_errors=True)
        ranks.wait_for_all()
        logging.getLogger("torch.distributed.checkpoint").setLevel(logging.ERROR)
        writer = HuggingFaceStorageWriter(str(place), save_distributed=True)
        save(_with_dimension(tensors), storage_writer=writer, no_dist=not ranks.together)
        ranks.wait_for_all()
        if ranks.leads:
            write_json(place / _FACTS, state.facts())
        ranks.wait_for_all()
        # each process reads its share of the files again, to digest them
        written = sorted(place.iterdir())[ranks.rank :: ranks.size]
        digests = [(f"{name}/{path.name}", _sha256(path)) for path in written]
        sha256 = dict(pair for pairs in ranks.gathered(digests) for pair in pairs)
        if ranks.leads:
            folder.enter(name, state.facts(), {**sha256, **state.files()})
        ranks.wait_for_all()


def load_point(folder: CheckpointFolder, state: TrainState, ranks: Ranks) -> Point | None:
    """Return the newest undamaged point, in shares where the state's tensors are shares.

    Raises
    ------
    TrainingError
        If the points belong to a different training, or all are damaged.
    """
    name = ranks.told(folder.find() if ranks.leads else None)
    if name is None:
        return None
    path = folder.folder / name
    if path.is_dir():
        return read_shares(folder, name, state)
    likes = _likes(state)
    if not is_sharded(likes):
        return folder.read(name)
    return Point(_read_file(path, likes), read_facts(path))


def read_shares(folder: CheckpointFolder, name: str, state: TrainState) -> Point:
    """Return a point that is a folder of shares, cut as this process's state is."""
    path = folder.folder / name
    facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
    return Point(_read_folder(path, _likes(state)), facts)


def _likes(state: TrainState) -> dict[str, Tensor]:
    """Return tensors of a state by the names in a point; an optimiser's by its parameters."""
    weights = state.model.state_dict()
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    return {
        **{f"{kind}.{name}": t for kind in ("model", "best") for name, t in weights.items()},
        **{f"optimizer.{number}": p for number, p in enumerate(parameters)},
        "losses": state.losses_S,
    }


def _like(name: str, likes: Mapping[str, Tensor]) -> Tensor | None:
    """Return what a point's tensor is cut like; a moment of an optimiser like its parameter."""
    name = name.removesuffix(_SCALAR)
    moment = name.startswith("optimizer.") and not name.endswith(".step")
    return likes.get(name.rpartition(".")[0] if moment else name)


def _read_file(path: Path, likes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read a file of whole tensors, one at a time, and keep shares where ``likes`` has them."""
    found = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (it is no mapping)
            # weights alone have names without a prefix
            like = likes.get(name) if name in likes else _like(name, likes)
            found[name] = _cut(file.get_tensor(name), like)
    return found


def _cut(tensor: Tensor, like: Tensor | None) -> Tensor:
    if not isinstance(like, DTensor):
        return tensor
    there = tensor.to(like.device)
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)


def _read_folder(path: Path, likes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read a folder of shares, however many processes wrote it."""
    reader = HuggingFaceStorageReader(str(path))
    wanted: dict[str, Tensor] = {}
    written: dict[str, Any] = dict(reader.read_metadata().state_dict_metadata)
    for name, about in written.items():
        like = _like(name, likes)
        if isinstance(like, DTensor):
            wanted[name] = torch.empty_like(like)
        else:
            wanted[name] = torch.empty(about.size, dtype=about.properties.dtype)
    alone = not is_sharded(wanted)
    with warnings.catch_warnings():
        # that one process reads alone is the intent
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        load(wanted, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=alone)
    return dict(_without_dimension(wanted))


def _with_dimension(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name if tensor.ndim else f"{name}{_SCALAR}": tensor if tensor.ndim else tensor.view(1)
        for name, tensor in tensors.items()
    }


def _without_dimension(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        if name.endswith(_SCALAR):
            yield name.removesuffix(_SCALAR), tensor.view(())
        else:
            yield name, tensor


def _sha256(path: Path) -> Any:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
