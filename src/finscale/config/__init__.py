"""What a run and a study are: frozen settings, YAML in, canonical JSON and hash out."""

# importing the package registers the sections of its architectures
from finscale.config import architectures as architectures
from finscale.config.base import Section, canonical_json, content_hash
from finscale.config.data import DataConfig, SplitConfig, TaskConfig
from finscale.config.experiment import ExperimentConfig
from finscale.config.files import load_config, load_study
from finscale.config.loading import override, validate
from finscale.config.model import BaselineConfig, ModelConfig, NetworkConfig
from finscale.config.quantities import format_count, parse_count
from finscale.config.study import StudyConfig
from finscale.config.tracking import TrackingConfig
from finscale.config.training import ThermalConfig, TrainingConfig

__all__ = [
    "BaselineConfig",
    "DataConfig",
    "ExperimentConfig",
    "ModelConfig",
    "NetworkConfig",
    "Section",
    "SplitConfig",
    "StudyConfig",
    "TaskConfig",
    "ThermalConfig",
    "TrackingConfig",
    "TrainingConfig",
    "canonical_json",
    "content_hash",
    "format_count",
    "load_config",
    "load_study",
    "override",
    "parse_count",
    "validate",
]
