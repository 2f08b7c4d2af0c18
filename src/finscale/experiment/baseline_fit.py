"""Fit a run's baseline on its windows: the same numbers each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finscale.config import BaselineConfig, ExperimentConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from finscale.config import TaskConfig
    from finscale.data import FinancialDataset, Labels, Split
    from finscale.models.baselines import Baseline


def fitted_baseline(config: ExperimentConfig, dataset: FinancialDataset, split: Split) -> Baseline:
    """Return the baseline of a run, fitted on train, its penalty chosen on validation.

    Parameters
    ----------
    config : ExperimentConfig
        Whose model is a baseline.
    dataset : FinancialDataset
        Its rows.
    split : Split
        Of the dataset; test is not read.
    """
    from finscale.data import label
    from finscale.models import make_baseline
    from finscale.models.baselines import TunableBaseline

    model = config.model
    assert isinstance(model, BaselineConfig)
    options: dict[str, Any] = dict(model.options)
    baseline = make_baseline(
        model.name,
        task=config.task,
        context_length=dataset.context_length,
        features=dataset.features,
        seed=config.seed,
        label=_labels_across(dataset) if config.task.is_cross_sectional else label,
        relative=dataset.relative,
        **options,
    )
    baseline.fit(dataset.frame, split.train, dataset.targets(split.train))
    if isinstance(baseline, TunableBaseline):
        baseline.tune(dataset.frame, split.validation, dataset.targets(split.validation))
    return baseline


def _labels_across(
    dataset: FinancialDataset,
) -> Callable[[pl.DataFrame, TaskConfig], Labels]:
    """Return what labels stacked rows of the dataset's symbols, compared with one another."""
    from finscale.data.cross_section import group_map
    from finscale.data.panel_labels import stacked_labels

    groups = group_map(dataset.symbols, dataset.groups)

    def labels(frame: pl.DataFrame, task: TaskConfig) -> Labels:
        parts = frame.partition_by("symbol", maintain_order=True)
        return stacked_labels(parts, task, groups, control=False)

    return labels
