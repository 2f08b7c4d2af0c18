"""Where metrics are mirrored; the run folder stays the truth."""

from __future__ import annotations

from typing import Literal

from finscale.config.base import Section


class TrackingConfig(Section):
    """Weights & Biases and MLflow, each on when its project or experiment is named."""

    wandb_project: str | None = None
    """W&B project; None leaves W&B off."""
    wandb_run_name: str | None = None
    """Name of the W&B run; the run id when absent."""
    wandb_mode: Literal["online", "offline"] = "online"
    """offline needs no account and no network; ``wandb sync`` uploads later."""
    wandb_dir: str | None = None
    """Folder for W&B's local files."""
    mlflow_experiment: str | None = None
    """MLflow experiment; None leaves MLflow off."""
    mlflow_run_name: str | None = None
    """Name of the MLflow run; the run id when absent."""
    mlflow_tracking_uri: str = "sqlite:///mlflow.db"
    """Database or server of MLflow."""
