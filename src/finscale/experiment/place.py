"""Where and how a run is computed, decided on the machine that computes it and recorded there."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finscale.config import BaselineConfig, ExperimentConfig
from finscale.errors import FinscaleWarning
from finscale.files import read_json, write_json

if TYPE_CHECKING:
    from finscale.experiment.preparation import Prepared
    from finscale.models import NetworkDesign


def place(prepared: Prepared, *, num_devices: int = 1) -> Prepared:
    """Return the run with every open setting of its placement filled in; its identity is the same.

    Parameters
    ----------
    prepared : Prepared
        Its science resolved.
    num_devices : int
        Processes that train it together.

    Raises
    ------
    TrainingError
        In one sentence, if this machine cannot compute the run as asked.
    """
    config = prepared.config
    if isinstance(config.model, BaselineConfig):
        return prepared
    from finscale.training.devices import require_memory
    from finscale.training.placement import place_training

    assert prepared.counts is not None
    training = place_training(
        config.training, num_parameters=prepared.counts.total, num_devices=num_devices
    )
    # before anything takes memory: 2B parameters need 32 GB for themselves and AdamW
    if num_devices == 1:
        require_memory(prepared.counts.total, training.device)
    else:
        from finscale.training.distributed_plan import choose_strategy

        strategy = choose_strategy(_design(prepared), training, num_devices)
        training = training.model_copy(update={"strategy": strategy})
    return replace(prepared, config=config.model_copy(update={"training": training}))


def _design(prepared: Prepared) -> NetworkDesign:
    from finscale.models import design

    return design(prepared.config.network, **prepared.interface())


def note_placement(folder: Path, config: ExperimentConfig) -> list[dict[str, Any]]:
    """Write down where a run is computed now; warn if it goes on from another placement.

    Parameters
    ----------
    folder : Path
        The unfinished run's resume folder.
    config : ExperimentConfig
        Placed.

    Returns
    -------
    list of dict
        Every placement that the run has had, the present one last.
    """
    path, now = folder / "placements.json", config.placement()
    goes_on = path.exists() and (folder / "resume.json").exists()
    had: list[dict[str, Any]] = read_json(path) if goes_on else []
    if had and had[-1] == now:
        return had
    if had:
        # of another device the trainer itself says so
        changes = ", ".join(
            f"{name} {before} → {now['training'][name]}"
            for name, before in had[-1]["training"].items()
            if name != "device" and before != now["training"].get(name)
        )
        if changes:
            warnings.warn(
                f"this run was begun with another placement ({changes}); it goes on here, the same "
                "run up to rounding",
                FinscaleWarning,
                stacklevel=2,
            )
    write_json(path, [*had, now])
    return [*had, now]


def placement_words(config: ExperimentConfig) -> str:
    """Return where a placed run is computed: ``cpu · 2 threads · fast kernels``."""
    training = config.training
    words = [str(training.device)]
    if training.device == "cpu":
        words += [f"{training.threads} thread{'' if training.threads == 1 else 's'}"]
    words += [f"{training.kernels} kernels"]
    words += ["compiled"] if training.compile else []
    if training.devices > 1:
        words.insert(0, f"{training.devices} devices by {training.strategy.upper()}, each")
    network = config.network
    for name, value in network.part("placement").items():
        if value != type(network).model_fields[name].default:
            words.append(f"{name} {value}" if isinstance(value, str) else name.replace("_", " "))
    return " · ".join(words)
