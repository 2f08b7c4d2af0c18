"""The model sections of the architecture zoo, a file each; importing this registers them."""

from finscale.config.architectures.gru import GRUConfig
from finscale.config.architectures.itransformer import ITransformerConfig
from finscale.config.architectures.moderntcn import ModernTCNConfig
from finscale.config.architectures.nhits import NHiTSConfig
from finscale.config.architectures.nlinear import NLinearConfig
from finscale.config.architectures.tide import TiDEConfig
from finscale.config.architectures.tsmixer import TSMixerConfig
from finscale.config.model import MODEL_CONFIGS

MODEL_CONFIGS.add("nlinear", NLinearConfig)
MODEL_CONFIGS.add("itransformer", ITransformerConfig)
MODEL_CONFIGS.add("tsmixer", TSMixerConfig)
MODEL_CONFIGS.add("tide", TiDEConfig)
MODEL_CONFIGS.add("nhits", NHiTSConfig)
MODEL_CONFIGS.add("moderntcn", ModernTCNConfig)
MODEL_CONFIGS.add("gru", GRUConfig)

__all__ = [
    "GRUConfig",
    "ITransformerConfig",
    "ModernTCNConfig",
    "NHiTSConfig",
    "NLinearConfig",
    "TSMixerConfig",
    "TiDEConfig",
]
