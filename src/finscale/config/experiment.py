"""One run, completely: data, task, split, model, training, tracking, seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Self

from finscale.calling import spoken
from finscale.config.base import Section, content_hash, label, per_replica
from finscale.config.data import DataConfig, SplitConfig, TaskConfig
from finscale.config.model import AnyModel, BaselineConfig, ModelConfig, NetworkConfig
from finscale.config.quantities import Seed
from finscale.config.tracking import TrackingConfig
from finscale.config.training import TrainingConfig
from finscale.errors import ConfigError

#: Settings that a split by shares of the history takes.
_UNSEEN = ("symbols", "unseen_fraction", "symbol_seed")
#: Settings of the part of train that training sees; absent from a run that sees all of it.
_TRAIN_PART = ("train_symbols", "train_draw", "train_share")
_SHARES = ("method", "validation_fraction", "test_fraction", "embargo", "fold")

#: Settings of data that are bars alone.
_WITHOUT_SERIES: dict[str, Any] = {"quality": "a", "series": []}


class ExperimentConfig(Section):
    """Everything that decides the outcome of one run.

    Examples
    --------
    >>> config = ExperimentConfig(model={"budget": "2M"})
    >>> config.model.budget
    2000000
    >>> config.task.name
    'threshold_1pct'
    """

    name: Annotated[str, label()] = "experiment"
    """A name for people; not part of the identity."""
    data: DataConfig = DataConfig()
    task: TaskConfig = TaskConfig()
    split: SplitConfig = SplitConfig()
    model: AnyModel = ModelConfig(budget=2_000_000)
    training: TrainingConfig = TrainingConfig()
    tracking: Annotated[TrackingConfig, label()] = TrackingConfig()
    seed: Annotated[Seed, per_replica()] = 0
    """Seed of the weights, the data order and dropout."""

    @classmethod
    @spoken('ExperimentConfig.from_file("threshold_1pct")')
    def from_file(cls, path: Path | str, settings: Iterable[str] | Mapping[str, Any] = ()) -> Self:
        """Read a YAML file or a recipe by its name; see :func:`finscale.config.load_config`.

        Examples
        --------
        >>> config = ExperimentConfig.from_file("threshold_1pct", ["training.epochs=3"])
        >>> config.training.epochs
        3
        """
        # a floor up: which files are a study's has to be known there
        read: Self = import_module("finscale.config.files").load_config(cls, path, settings)
        return read

    def identity(self) -> dict[str, Any]:
        """Return what a run's identity is hashed from: its science, by the marks of the fields.

        Where two settings cannot be told apart by any result, one form stands for both.
        """
        content = self.part("science")
        if isinstance(self.model, BaselineConfig):
            del content["training"]
            # they once read levels, unclipped and at fixed penalties: those runs are others
            content["model"]["fitted"] = "on clipped inputs"
        if self.data.universe is not None or len(self.data.symbols) > 1:
            # one year of validation once chose the penalty of a panel: those runs are others
            content["model"]["penalties"] = "by blocks of train days"
        if self.split.method == "chunks":
            # blocks were once counted from the first decision day: those runs are others
            content["split"]["counted"] = "from the end"
        if self.split.method == "shares":
            # a rule of its own: the dates of the recipe that it was laid over say nothing
            content["split"] = {
                name: content["split"][name] for name in (*_SHARES, *_UNSEEN, *_TRAIN_PART)
            }
        if self.split.symbols == "all":
            for name in _UNSEEN:
                del content["split"][name]
        if self.split.train_symbols is None:
            del content["split"]["train_symbols"], content["split"]["train_draw"]
        if self.split.train_share is None:
            del content["split"]["train_share"]
        if self.data.universe is None:
            del content["data"]["universe_digest"]
        # runs from before there were other nestings, tier files, warm-ups and series are the same
        usual_of = {"columns": [], "nesting": 0, "warm_up": None, **_WITHOUT_SERIES}
        for name, usual in usual_of.items():
            if content["data"][name] == usual:
                del content["data"][name]
        if self.task.control == "none":
            for name in ("control", "control_seed", "control_strength"):
                del content["task"][name]
        if not self.task.is_cross_sectional:
            for name in ("neutral", "min_members", "beta_days"):
                del content["task"][name]
        elif self.task.name != "residual":
            del content["task"]["beta_days"]
        if self.data.cross_section == "none":
            del content["data"]["cross_section"]
        return content

    def placement(self) -> dict[str, Any]:
        """Return where and how the run is computed, for ``run.json``; no part of its identity."""
        content = self.part("placement")
        if isinstance(self.model, BaselineConfig):
            del content["training"]
        return content

    @property
    def network(self) -> NetworkConfig:
        """The model section of a training.

        Raises
        ------
        ConfigError
            If the experiment is a baseline.
        """
        if isinstance(self.model, BaselineConfig):
            raise ConfigError(
                f"{self.name}: the model is the baseline {self.model.name}, not a network."
            )
        return self.model

    def hash(self) -> str:
        """Return the SHA-256 of :meth:`identity`."""
        return content_hash(self.identity())
