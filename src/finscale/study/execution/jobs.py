"""What a worker is handed of a planned run."""

from __future__ import annotations

from finscale.config import ExperimentConfig, TrackingConfig
from finscale.study.planned import Planned


def job_config(planned: Planned) -> ExperimentConfig:
    """Return a run's config with its threads: the executor shares the cores by them.

    Trackers are left to the study, which sends each finished run under its own parent.
    """
    config = planned.prepared.config
    training = config.training.model_copy(update={"threads": planned.threads})
    return config.model_copy(update={"training": training, "tracking": TrackingConfig()})
