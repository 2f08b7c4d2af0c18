"""The model sections of the architecture zoo, a file each; importing this registers them."""

from finscale.config.architectures.gru import GRUConfig
from finscale.config.architectures.moderntcn import ModernTCNConfig
from finscale.config.architectures.nhits import NHiTSConfig
from finscale.config.model import MODEL_CONFIGS

MODEL_CONFIGS.add("nhits", NHiTSConfig)
MODEL_CONFIGS.add("moderntcn", ModernTCNConfig)
MODEL_CONFIGS.add("gru", GRUConfig)

__all__ = [
    "GRUConfig",
    "ModernTCNConfig",
    "NHiTSConfig",
]
