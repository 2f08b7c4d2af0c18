import sys
import threading
import time
from types import ModuleType

import psutil
import pytest

from finscale.config import ThermalConfig
from finscale.errors import ConfigError, FinscaleWarning
from finscale.training import Callback, Reading, ThermalCallback, TrainingPaused, sensors
from finscale.training.thermal import Band

# from public transcripts; the GPU's temperature and the pressure level are changed to stand out
INTEL = """\
Machine model: iMac19,1
SMC version: 2.46f13
EFI version: 1554.3.0
OS version: 20D91

*** Sampled system activity (Wed Apr  7 21:22:39 2021 -0400) (7.16ms elapsed) ***

**** SMC sensors ****

CPU Thermal level: 0
GPU Thermal level: 0
IO Thermal level: 0
Fan: 1198 rpm
CPU die temperature: 47.42 C
GPU die temperature: 51.00 C
CPU Plimit: 0.00
Number of prochots: 0
"""
SILICON = """\
Machine model: Mac14,2
OS version: 25B78
Boot arguments:

**** Thermal pressure ****

Current pressure level: Heavy
"""


class Sensor:
    """Stands for hardware that is not here."""

    def __init__(self, reading):
        self.reading = reading
        self.threads = set()

    def __call__(self):
        self.threads.add(threading.current_thread().name)
        return self.reading


class WaitForReading(Callback):
    """Hold each step until the sensor has been read."""

    def __init__(self, thermal):
        self.thermal = thermal

    def on_step_end(self, trainer):
        while self.thermal.reading is None and not self.thermal._is_missing:
            time.sleep(0.001)


def watched(reading, **settings):
    thermal = ThermalCallback(**{"interval": 0.001, **settings}, read=Sensor(reading))
    return [WaitForReading(thermal), thermal]


@pytest.mark.parametrize(
    ("celsius", "band"),
    [
        (69.9, Band.NORMAL),
        (70.0, Band.ELEVATED),
        (84.9, Band.ELEVATED),
        (85.0, Band.WARN),
        (94.9, Band.WARN),
        (95.0, Band.STOP),
    ],
)
def test_bands_begin_at_70_85_and_95(celsius, band):
    assert ThermalCallback().band_of(Reading(celsius=celsius)) is band


@pytest.mark.parametrize(
    ("pressure", "band"),
    [
        ("Nominal", Band.NORMAL),
        ("Moderate", Band.ELEVATED),
        ("Heavy", Band.WARN),
        ("Trapping", Band.STOP),
        ("Sleeping", Band.STOP),
    ],
)
def test_thermal_pressures_stand_for_the_bands(pressure, band):
    assert ThermalCallback().band_of(Reading(pressure=pressure)) is band


def test_heat_writes_a_resume_point_and_stops_and_cooled_down_it_goes_on(
    make_trainer, tmp_path, outcome
):
    whole = make_trainer()
    expected = outcome(whole, whole.fit())
    with pytest.raises(TrainingPaused, match=r"the machine is too hot \(96 °C\); a resume point"):
        make_trainer(tmp_path, callbacks=watched(Reading(celsius=96.0))).fit()
    cool = make_trainer(tmp_path, callbacks=watched(Reading(celsius=50.0)))
    assert outcome(cool, cool.fit()) == expected


def test_between_warn_and_stop_it_warns_and_goes_on(make_trainer):
    with pytest.warns(FinscaleWarning, match=r"hot \(88 °C\); training stops at 95 °C") as warned:
        result = make_trainer(callbacks=watched(Reading(celsius=88.0))).fit()
    assert len(warned) == 1
    assert len(result.history) == 3


def test_limits_can_be_chosen(make_trainer):
    callbacks = watched(Reading(celsius=61.0), warm=40, warn=50, stop=60)
    with pytest.raises(TrainingPaused, match="61 °C"):
        make_trainer(callbacks=callbacks).fit()


def test_missing_sensors_are_named_once(make_trainer):
    with pytest.warns(FinscaleWarning, match="no temperature sensor") as warned:
        result = make_trainer(callbacks=watched(None)).fit()
    assert len(warned) == 1
    assert len(result.history) == 3


def test_a_sensor_that_breaks_counts_as_missing(make_trainer):
    def broken():
        raise OSError("the sensor is gone")

    thermal = ThermalCallback(read=broken, interval=0.001)
    with pytest.warns(FinscaleWarning, match="no temperature sensor"):
        make_trainer(callbacks=[WaitForReading(thermal), thermal]).fit()


def test_it_reads_in_its_own_thread_which_ends_with_the_training(make_trainer):
    callbacks = watched(Reading(celsius=40.0))
    make_trainer(callbacks=callbacks).fit()
    assert callbacks[1]._read.threads == {"thermal"}
    deadline = time.monotonic() + 5
    while any(thread.name == "thermal" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_it_can_be_switched_off(make_trainer):
    thermal = ThermalCallback(ThermalConfig(enabled=False), read=Sensor(Reading(celsius=99.0)))
    make_trainer(callbacks=[thermal]).fit()
    assert thermal.reading is None


def test_bands_that_do_not_rise_are_refused():
    with pytest.raises(ConfigError, match="warm < warn < stop"):
        ThermalCallback(warn=97)


def test_powermetrics_gives_the_hottest_die_on_intel():
    assert sensors.parse_powermetrics(INTEL) == Reading(celsius=51.0)


def test_powermetrics_gives_the_pressure_on_apple_silicon():
    assert sensors.parse_powermetrics(SILICON) == Reading(pressure="Heavy")
    assert str(sensors.parse_powermetrics(SILICON)) == "Heavy pressure"


@pytest.mark.parametrize(
    "text", ["", "sudo: a password is required\n", "Current pressure level: ?"]
)
def test_powermetrics_without_a_reading_is_no_sensor(text):
    assert sensors.parse_powermetrics(text) is None


@pytest.mark.parametrize(
    ("machine", "sampler", "text", "expected"),
    [
        ("x86_64", "smc", INTEL, Reading(celsius=51.0)),
        ("arm64", "thermal", SILICON, Reading(pressure="Heavy")),
    ],
)
def test_macos_is_asked_through_sudo_without_a_password(
    monkeypatch, tmp_path, machine, sampler, text, expected
):
    (tmp_path / "output").write_text(text)
    sudo = tmp_path / "sudo"
    sudo.write_text(f'#!/bin/sh\nprintf "%s " "$@" > {tmp_path}/asked\ncat {tmp_path}/output\n')
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sensors.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(sensors.platform, "machine", lambda: machine)
    assert sensors.read_powermetrics() == expected
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["-n", "powermetrics", "--samplers", sampler, "-i", "1", "-n", "1"]


def test_macos_without_sudo_is_no_sensor(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sensors.platform, "system", lambda: "Darwin")
    assert sensors.read_powermetrics() is None


def chip(*values):
    return [type("shwtemp", (), {"current": value}) for value in values]


@pytest.mark.parametrize(
    ("chips", "expected"),
    [
        ({"nvme": chip(80.0), "coretemp": chip(55.0, 61.5)}, 61.5),
        ({"nvme": chip(41.0), "acpitz": chip(27.8)}, 41.0),
        ({"k10temp": chip(-273.0, 48.0, 255.0)}, 48.0),
        ({}, None),
    ],
)
def test_linux_takes_the_processor_before_other_chips(monkeypatch, chips, expected):
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    reading = sensors.read_psutil()
    assert (reading and reading.celsius) == expected


def test_a_platform_without_psutil_sensors_is_no_sensor(monkeypatch):
    monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)
    assert sensors.read_psutil() is None


class Nvml(ModuleType):
    """Stands for the NVIDIA library and three GPUs."""

    NVML_TEMPERATURE_GPU = 0
    NVMLError = RuntimeError

    def __init__(self, *, works=True):
        super().__init__("pynvml")
        self.works = works

    def nvmlInit(self):
        if not self.works:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self):
        return 3

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetTemperature(self, device, kind):
        return (60, 72, 81)[device]


@pytest.fixture
def nvidia(monkeypatch):
    """Return a function that installs a library (None: none) and says which GPUs are visible."""

    def set_up(library, visible=None):
        monkeypatch.setitem(sys.modules, "pynvml", library)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        sensors._nvml.cache_clear()

    yield set_up
    sensors._nvml.cache_clear()


@pytest.mark.parametrize(("visible", "celsius"), [(None, 81.0), ("0,1", 72.0), ("0", 60.0)])
def test_nvidia_gives_the_hottest_gpu_that_may_be_used(nvidia, visible, celsius):
    nvidia(Nvml(), visible)
    assert sensors.read_nvml() == Reading(celsius=celsius)


@pytest.mark.parametrize("library", [None, Nvml(works=False)])
def test_without_an_nvidia_driver_there_is_no_sensor(nvidia, library):
    nvidia(library)
    assert sensors.read_nvml() is None


def test_the_hottest_sensor_counts(monkeypatch):
    readings = {"a": lambda: Reading(celsius=50.0), "b": lambda: None, "c": lambda: Reading(70.0)}
    monkeypatch.setattr(sensors, "SENSORS", readings)
    assert sensors.hottest() == Reading(celsius=70.0)
    monkeypatch.setattr(sensors, "SENSORS", {})
    assert sensors.hottest() is None
