"""One run, completely: data, task, split, model, training, tracking, seed."""

from __future__ import annotations

from typing import Any

from finscale.config.base import Section, content_hash
from finscale.config.data import DataConfig, SplitConfig, TaskConfig
from finscale.config.model import AnyModel, BaselineConfig, ModelConfig, NetworkConfig
from finscale.config.quantities import Seed
from finscale.config.tracking import TrackingConfig
from finscale.config.training import TrainingConfig
from finscale.errors import ConfigError

#: Settings that cannot change a result, and so are no part of a run's identity.
_WITHOUT_EFFECT = (
    ("name",),
    ("tracking",),
    ("data", "root"),
    ("data", "memory_map"),
    ("training", "thermal"),
    ("training", "kernels"),
    ("training", "checkpoint_minutes"),
)


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

    name: str = "experiment"
    """A name for people; not part of the identity."""
    data: DataConfig = DataConfig()
    task: TaskConfig = TaskConfig()
    split: SplitConfig = SplitConfig()
    model: AnyModel = ModelConfig(budget=2_000_000)
    training: TrainingConfig = TrainingConfig()
    tracking: TrackingConfig = TrackingConfig()
    seed: Seed = 0
    """Seed of the weights, the data order and dropout."""

    def identity(self) -> dict[str, Any]:
        """Return what the run's identity is hashed from: all settings that can change a result."""
        content: dict[str, Any] = self.model_dump(mode="json")
        for *parents, leaf in _WITHOUT_EFFECT:
            section = content
            for parent in parents:
                section = section[parent]
            del section[leaf]
        if isinstance(self.model, BaselineConfig):
            del content["training"]
        if self.split.method == "chunks":
            # blocks were once counted from the first decision day: those runs are others
            content["split"]["counted"] = "from the end"
        if self.task.control == "none":
            for name in ("control", "control_seed", "control_strength"):
                del content["task"][name]
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
