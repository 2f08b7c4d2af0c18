"""The architectures that a study holds against one another: how they are written and named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finscale.config.base import Section
from finscale.config.loading import validate
from finscale.config.model import BaselineConfig, NetworkConfig, handed_over, model_section


def family_section(entry: Any, model: Section) -> Any:
    """Return the model section of one entry; what is no entry passes through to be refused.

    An entry is the name of an architecture, or a section. One of the experiment's own kind is laid
    over ``model``, the experiment's section. One of another kind takes from there what all networks
    share, such as the budget.

    Parameters
    ----------
    entry : str, mapping or NetworkConfig
        ``gru`` or ``{kind: gru, dropout: 0.1}``.
    model : Section
        ``experiment.model``.

    Raises
    ------
    ValueError
        For a kind that nobody declares, or a baseline.
    ConfigError
        For settings that do not fit the kind.
    """
    stated = {"kind": entry} if isinstance(entry, str) else entry
    if not isinstance(stated, Mapping):
        return entry
    if "kind" not in stated:
        raise ValueError("an architecture is a name, or a section with its kind: {kind: gru}")
    kind = model_section(stated)
    if not issubclass(kind, NetworkConfig):
        raise ValueError("architectures are networks; baselines go to `baselines`")
    below: dict[str, Any] = {}
    if type(model) is kind:
        below = model.model_dump()
    elif isinstance(model, NetworkConfig):
        said = {name: getattr(model, name) for name in model.model_fields_set}
        below = handed_over({**said, "kind": model.kind}, stated["kind"])
        if any(stated.get(name) is not None for name in kind.SIZES):
            below.pop("budget", None)  # its sizes are stated
    return validate(kind, {**below, **stated}, place=f"architectures, {stated['kind']}")


def family_names(sections: Sequence[NetworkConfig]) -> tuple[str, ...]:
    """Return a name for each section: its kind, and what tells it from others of its kind.

    Raises
    ------
    ValueError
        If two sections are the same.

    Examples
    --------
    >>> from finscale.config.model import DLinearConfig, MLPConfig
    >>> family_names([DLinearConfig(), MLPConfig(depth=1), MLPConfig(depth=2)])
    ('dlinear', 'mlp-depth1', 'mlp-depth2')
    """
    names = ["-".join([s.kind, *map("".join, own_settings(s, sections))]) for s in sections]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"architectures: {name} is there twice")
    return tuple(names)


def own_settings(
    section: NetworkConfig, sections: Sequence[NetworkConfig]
) -> list[tuple[str, str]]:
    """Return name and value of each setting in which a section differs from others of its kind."""
    alike = [other for other in sections if other.kind == section.kind]
    return [
        (name, re.sub(r"[^A-Za-z0-9_.]+", "_", str(getattr(section, name))))
        for name in type(section).model_fields
        if len({str(getattr(other, name)) for other in alike}) > 1
    ]


def check_families(sections: Sequence[NetworkConfig | BaselineConfig]) -> None:
    """Refuse a comparison of one architecture, and one that names an architecture twice."""
    if len(sections) == 1:
        raise ValueError("architectures compares two or more; one alone is experiment.model")
    family_names([one for one in sections if isinstance(one, NetworkConfig)])
