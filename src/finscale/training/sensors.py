"""How hot this machine is: one declared sensor per platform interface."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from finscale.registry import Registry


@dataclass(frozen=True)
class Reading:
    """What a sensor says: a temperature, or on Apple silicon only a thermal pressure."""

    celsius: float | None = None
    pressure: str = ""
    """Nominal, Moderate, Heavy, Trapping or Sleeping, as macOS names them."""

    def __str__(self) -> str:
        return f"{self.celsius:.0f} °C" if self.celsius is not None else f"{self.pressure} pressure"


#: A sensor returns None where its hardware or interface is absent.
Sensor = Callable[[], Reading | None]

SENSORS: Registry[Sensor] = Registry("sensor")

#: macOS's thermal pressure, coolest first.
PRESSURES = ("Nominal", "Moderate", "Heavy", "Trapping", "Sleeping")

#: Drivers of processor sensors on Linux; others measure disks, batteries, radios.
_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal")
#: Broken sensors report such values as -273 or 255.
_PLAUSIBLE = range(1, 150)


def hottest() -> Reading | None:
    """Return the hottest of all sensors that this machine has, or None if it has none."""
    readings = [reading for sensor in SENSORS.values() if (reading := sensor()) is not None]
    return max(readings, key=_heat, default=None)


def _heat(reading: Reading) -> tuple[bool, float]:
    """Sort key; no machine mixes temperatures and pressures but by an external GPU."""
    if reading.celsius is not None:
        return True, reading.celsius
    return False, PRESSURES.index(reading.pressure)


def read_psutil() -> Reading | None:
    """Read the processor through Linux' hwmon, or the hottest chip if no driver is known."""
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    chips = psutil.sensors_temperatures()
    chosen = [chips[name] for name in _CPU_CHIPS if name in chips] or list(chips.values())
    values = [entry.current for entries in chosen for entry in entries]
    plausible = [value for value in values if int(value) in _PLAUSIBLE]
    return Reading(celsius=max(plausible)) if plausible else None


def read_nvml() -> Reading | None:
    """Read the NVIDIA GPUs that this process may use."""
    nvml, devices = _nvml()
    values = [nvml.nvmlDeviceGetTemperature(d, nvml.NVML_TEMPERATURE_GPU) for d in devices]
    return Reading(celsius=float(max(values))) if values else None


@functools.cache
def _nvml() -> tuple[Any, list[Any]]:
    """Return the library and its device handles: opened once, it answers in microseconds."""
    try:
        import pynvml
    except ImportError:
        return None, []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return pynvml, []
    indices = range(pynvml.nvmlDeviceGetCount())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = [i for i in indices if visible is None or str(i) in visible.split(",")]
    return pynvml, [pynvml.nvmlDeviceGetHandleByIndex(i) for i in chosen or indices]


def read_powermetrics() -> Reading | None:
    """Read macOS through ``sudo -n powermetrics``, which needs a sudo rule without a password."""
    if platform.system() != "Darwin":
        return None
    sampler = "thermal" if platform.machine() == "arm64" else "smc"
    command = ["sudo", "-n", "powermetrics", "--samplers", sampler, "-i", "1", "-n", "1"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_powermetrics(result.stdout)


def parse_powermetrics(text: str) -> Reading | None:
    """Return the hottest die temperature that powermetrics prints, else the thermal pressure."""
    temperatures = re.findall(r"^\w+ die temperature: ([\d.]+) C", text, re.MULTILINE)
    if temperatures:
        return Reading(celsius=max(map(float, temperatures)))
    pressure = re.search(r"^Current pressure level: (\w+)", text, re.MULTILINE)
    if pressure and pressure[1] in PRESSURES:
        return Reading(pressure=pressure[1])
    return None


SENSORS.add("psutil", read_psutil)
SENSORS.add("nvml", read_nvml)
SENSORS.add("powermetrics", read_powermetrics)
