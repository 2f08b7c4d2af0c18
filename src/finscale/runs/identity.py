"""A run's identity: the hash of its resolved config and of the data it sees."""

from __future__ import annotations

from collections.abc import Mapping

from finscale.config import ExperimentConfig, content_hash

ID_LENGTH = 16


def run_id(config: ExperimentConfig, data_digests: Mapping[str, str]) -> str:
    """Return the 16 hex digits that name a run's folder.

    Parameters
    ----------
    config : ExperimentConfig
        With every ``auto`` and the budget resolved; settings that cannot change a result
        (tracking, thermal bands, folders) do not enter.
    data_digests : mapping of str to str
        Dataset id → SHA-256 of its file.
    """
    content = {"config": config.identity(), "data": dict(data_digests)}
    return content_hash(content)[:ID_LENGTH]
