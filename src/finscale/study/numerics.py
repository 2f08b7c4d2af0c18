"""Precision, attention and compilation, measured before a run whose config leaves them open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.experiment.preparation import Prepared, interface, open_shape, prepare
from finscale.study.planned import Planned
from finscale.study.speed import same_speed

if TYPE_CHECKING:
    from finscale.data import DataStore
    from finscale.runs import RunStore


def settled(
    config: ExperimentConfig,
    prepared: Prepared,
    *,
    data: DataStore | None = None,
    num_runs: int = 1,
    tell: Callable[[], object] = lambda: None,
) -> Prepared:
    """Return the run prepared with its numerics measured, if they are open and the work is long.

    Parameters
    ----------
    config : ExperimentConfig
        As written by a person.
    prepared : Prepared
        What :func:`~finscale.study.prepare` made of it.
    data : DataStore, optional
        Where data lie.
    num_runs : int
        Runs of this shape, whose work together has to be worth the measurement.
    tell : callable
        Called before anything is measured.
    """
    from finscale.models import design
    from finscale.training.numerics import is_worth_measuring, measure_numerics

    if not _is_open(config):
        return prepared
    resolved = prepared.config
    made = design(resolved.network, **interface(config, prepared.dataset))
    shape = open_shape(config, resolved, made)
    samples = len(prepared.split.train) * int(resolved.training.epochs)
    if not is_worth_measuring(shape, 3.0 * prepared.flops_per_sample * samples * num_runs):
        return prepared
    tell()
    num_steps = samples // int(resolved.training.batch_size)
    if measure_numerics(shape, num_steps=num_steps) is None:
        return prepared
    return prepare(config, data)


def settle_sizes(
    plan: Sequence[Planned],
    runs: RunStore,
    *,
    data: DataStore | None = None,
    tell: Callable[[str], object] = lambda label: None,
) -> bool:
    """Measure the numerics of a study's sizes where they are open; tell whether any was measured.

    A size with finished runs stays as it is.

    Parameters
    ----------
    plan : sequence of Planned
        The study's runs.
    runs : RunStore
        Where finished runs lie.
    data : DataStore, optional
        Where data lie.
    tell : callable
        Told the label of a run before its size is measured.
    """
    groups: dict[str, list[Planned]] = {}
    for one in plan:
        if _is_open(one.cell.config):
            groups.setdefault(same_speed(one), []).append(one)
    found = False
    for group in groups.values():
        first = group[0]
        if any(one.run_id in runs for one in group):
            continue
        now = settled(
            first.cell.config,
            first.prepared,
            data=data,
            num_runs=len(group),
            tell=partial(tell, first.cell.label),
        )
        found |= now.numerics != first.prepared.numerics
    return found


def _is_open(config: ExperimentConfig) -> bool:
    asked = (config.training.precision, config.training.compile)
    return not isinstance(config.model, BaselineConfig) and "auto" in asked


def numerics_words(prepared: Prepared) -> str:
    """Return how a run is computed and why, in words."""
    training = prepared.config.training
    if prepared.numerics is not None:
        reasons = "; ".join(prepared.numerics.reasons)
        return f"measured {prepared.numerics.measured}: {reasons}"
    compiled = "compiled" if training.compile else "not compiled"
    return f"{training.precision}, {compiled}: by the config and the rule"
