"""The blocks that a network is made of: the pieces that several devices hold and gather in turn."""

from __future__ import annotations

from torch import nn


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the members of a model's lists and sequences of modules that have parameters.

    None of them stands inside another one.

    Examples
    --------
    >>> model = nn.ModuleDict({"head": nn.Linear(2, 1)})
    >>> model["layers"] = nn.ModuleList([nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)])
    >>> len(blocks_of(model))
    2
    """
    found: list[nn.Module] = []
    inside: set[int] = set()
    for module in model.modules():
        if not isinstance(module, nn.ModuleList | nn.Sequential) or id(module) in inside:
            continue
        for block in module:
            if next(block.parameters(), None) is not None and id(block) not in inside:
                found.append(block)
                inside.update(id(one) for one in block.modules())
    return found


def largest_block(model: nn.Module) -> int:
    """Return the parameters of a model's largest block; of all of it where it has no blocks."""
    sizes = [sum(p.numel() for p in block.parameters()) for block in blocks_of(model)]
    return max(sizes, default=sum(p.numel() for p in model.parameters()))


def outside_blocks(model: nn.Module) -> int:
    """Return the parameters that stand in no block: embedding, head, norms."""
    total = sum(p.numel() for p in model.parameters())
    return total - sum(p.numel() for block in blocks_of(model) for p in block.parameters())
