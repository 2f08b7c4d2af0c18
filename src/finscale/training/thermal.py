"""Stops a training before the machine is damaged by heat, at no cost to its steps."""

from __future__ import annotations

import enum
import threading
import warnings
from typing import TYPE_CHECKING

from finscale.config import ThermalConfig, validate
from finscale.errors import FinscaleWarning
from finscale.training.callbacks import Callback, Training
from finscale.training.sensors import PRESSURES, Reading, Sensor, hottest

if TYPE_CHECKING:
    from finscale.training.state import FitResult


class Band(enum.IntEnum):
    """How hot, in steps that have consequences."""

    NORMAL = 0
    ELEVATED = 1
    """Shown in the progress bar."""
    WARN = 2
    """One warning each time that it is entered."""
    STOP = 3
    """A resume point is written and training stops."""


class ThermalCallback(Callback):
    """Watches the temperature from a thread of its own; a step pays for one comparison.

    Bands: below ``warm`` (70 °C) normal, up to ``warn`` elevated, up to ``stop`` a warning, from
    ``stop`` on a resume point and ``TrainingPaused``. On Apple silicon, which reveals no
    temperature, the thermal pressures Nominal, Moderate, Heavy and above stand for the four. Where
    no sensor can be read it says so once and training goes on.

    Parameters
    ----------
    config : ThermalConfig, optional
        All bands and the interval together; instead of the keywords.
    warm, warn, stop : float
        Limits in °C.
    interval : float
        Seconds between readings.
    read : callable, optional
        A sensor of your own: returns a ``Reading`` or None.

    Examples
    --------
    >>> thermal = ThermalCallback(warn=85, stop=95)
    >>> thermal.config.warm
    70.0
    """

    def __init__(
        self,
        config: ThermalConfig | None = None,
        *,
        warm: float = 70.0,
        warn: float = 85.0,
        stop: float = 95.0,
        interval: float = 5.0,
        read: Sensor = hottest,
    ) -> None:
        bands = {"warm": warm, "warn": warn, "stop": stop, "interval": interval}
        self.config = config or validate(ThermalConfig, bands, place="ThermalCallback")
        self.reading: Reading | None = None
        """The newest reading."""
        self.band = Band.NORMAL
        self._read = read
        self._known_band = Band.NORMAL
        self._is_missing = self._said_missing = False
        self._done = threading.Event()

    def on_fit_start(self, trainer: Training) -> None:
        """Start to watch."""
        if self.config.enabled:
            self._done = threading.Event()
            threading.Thread(
                target=self._watch, args=(self._done,), name="thermal", daemon=True
            ).start()

    def on_step_end(self, trainer: Training) -> None:
        """Act if the band has changed since the last step."""
        if self.band is not self._known_band:
            self._enter(self.band, trainer)
        if self._is_missing and not self._said_missing:
            self._said_missing = True
            warnings.warn(
                "no temperature sensor can be read here; training goes on without watching heat",
                FinscaleWarning,
                stacklevel=2,
            )

    def on_fit_end(self, trainer: Training, result: FitResult | None) -> None:
        """Stop to watch."""
        self._done.set()

    def band_of(self, reading: Reading) -> Band:
        """Return the band that a reading lies in."""
        if reading.celsius is None:
            return Band(min(PRESSURES.index(reading.pressure), Band.STOP))
        limits = (self.config.warm, self.config.warn, self.config.stop)
        return Band(sum(reading.celsius >= limit for limit in limits))

    def _watch(self, done: threading.Event) -> None:
        while not done.is_set():
            try:
                reading = self._read()
            # a sensor's fault must not end a training
            except Exception:
                reading = None
            if reading is not None:
                self.reading = reading
                self.band = self.band_of(reading)
            elif self.reading is None:
                # what is absent now will be absent in five seconds
                self._is_missing = True
                return
            done.wait(self.config.interval)

    def _enter(self, band: Band, trainer: Training) -> None:
        rises = band > self._known_band
        self._known_band = band
        if band is Band.STOP:
            trainer.request_pause(f"the machine is too hot ({self.reading})")
        elif band is Band.WARN and rises:
            warnings.warn(
                f"the machine is hot ({self.reading}); training stops at "
                f"{self.config.stop:.0f} °C and can be resumed",
                FinscaleWarning,
                stacklevel=3,
            )
