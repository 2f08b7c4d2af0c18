"""Where and how a training is computed on this machine: resolved where it runs, never hashed."""

from __future__ import annotations

import os

from finscale.config import TrainingConfig
from finscale.errors import TrainingError
from finscale.models.kernels.accelerate import kernels_rule
from finscale.training.devices import (
    choose_device,
    choose_threads,
    processes_here,
    require_compiler,
    require_precision,
)


def place_training(
    config: TrainingConfig, *, num_parameters: int, num_devices: int = 1
) -> TrainingConfig:
    """Return ``config`` with every open setting of its placement filled in for this machine.

    Parameters
    ----------
    config : TrainingConfig
        Its science resolved (:func:`finscale.training.resolve.resolve_training`).
    num_parameters : int
        Of the model: small ones take one thread.
    num_devices : int
        Processes that train the model together. Of several, how they hold it is left open: that
        depends on more than its size (:func:`finscale.training.distributed_plan.choose_strategy`).

    Raises
    ------
    TrainingError
        In one sentence, if this machine cannot compute it so: the device is absent or has no
        arithmetic for the precision, a compiler is missing, or several devices are asked for where
        one process trains.
    """
    if config.devices not in (1, num_devices):
        raise TrainingError(
            f"training.devices = {config.devices}, and {num_devices} "
            f"process{' trains' if num_devices == 1 else 'es train'} here.",
            hint=f"finscale train FILE --devices {config.devices} starts as many; a study's run "
            "takes one: training.devices: 1",
        )
    if config.strategy == "fsdp" and num_devices == 1:
        raise TrainingError(
            "training.strategy = fsdp shares a model between devices, and one process trains here.",
            hint="finscale train FILE --devices 2, or training.strategy: auto",
        )
    device = choose_device(config.device)
    require_precision(device, config.precision)
    if config.compile is True:
        require_compiler(device)
    if config.kernels == "fast" and device != "cpu":
        raise TrainingError(
            f"training.kernels = fast: these kernels are for CPUs, and the device is {device}.",
            hint="training.kernels: torch, or auto",
        )
    here = config.model_copy(
        update={"device": device, "compile": config.compile is True, "devices": num_devices}
    )
    if num_devices == 1:
        # the one device holds all of it
        here = here.model_copy(update={"strategy": "ddp"})
    threads = choose_threads(config.threads, num_parameters=num_parameters)
    if config.threads == "auto" and not os.environ.get("OMP_NUM_THREADS"):
        # processes on one machine share its cores; torchrun and --devices have said how
        threads = max(1, threads // processes_here(num_devices))
    return here.model_copy(
        update={
            "threads": threads,
            "kernels": kernels_rule(here),
        }
    )
