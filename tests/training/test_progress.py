import io
import re

import pytest
from rich.console import Console

from finscale.training import ProgressBar, Reading, ThermalCallback, progress
from finscale.training.progress import clock, rate, short


@pytest.fixture
def screen():
    return io.StringIO()


def lines_of(screen):
    """Return what was drawn, without escape codes."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n").split("\n")


def train(make_trainer, screen, monkeypatch, *others, **settings):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LOOKS", 0.0)
    thermal = ThermalCallback(read=lambda: Reading(celsius=61.0))
    bar = ProgressBar(Console(file=screen, width=100, force_terminal=True))
    return make_trainer(**settings, callbacks=[*others, thermal, bar])


def test_the_line_shows_epoch_speed_losses_temperature_and_time_left(
    make_trainer, screen, monkeypatch
):
    train(make_trainer, screen, monkeypatch).fit()
    lines = [line for line in lines_of(screen) if "epoch 2/3" in line and "61 °C" in line]
    assert re.search(
        r"epoch 2/3 .* [\d,]+ samples/s · train 0?\.\d{4} · val 0?\.\d{4} best · 61 °C · "
        r"\d+:\d\d left",
        lines[-1],
    )


def test_the_last_line_is_done_and_names_the_best_loss(
    make_trainer, screen, monkeypatch, ruin_after
):
    result = train(make_trainer, screen, monkeypatch, ruin_after(2), epochs=4).fit()
    last = [line for line in lines_of(screen) if "epoch" in line][-1]
    assert "epoch 4/4" in last
    assert f"(best {short(result.best_validation_loss)})" in last
    assert "done" in last


def test_a_resumed_training_starts_where_it_was(make_trainer, screen, monkeypatch, tmp_path):
    make_trainer(tmp_path).fit()
    train(make_trainer, screen, monkeypatch, folder=tmp_path).fit()
    assert "epoch 3/3" in "".join(lines_of(screen))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.37123, ".3712"),
        (1.25, "1.2500"),
        (-0.5, "-.5000"),
        (10.0, "10.0000"),
        (0.0, ".0000"),
        # squares of daily, and of weekly returns
        (0.000123456, ".0001235"),
        (0.0098764, ".009876"),
        (3.21987e-9, "3.220e-09"),
    ],
)
def test_losses_have_four_decimals_or_four_digits(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("speed", "text"),
    [(2380.4, "2,380 samples/s"), (12.3, "12 samples/s"), (0.41, "0.41 samples/s")],
)
def test_speed_keeps_two_digits_when_it_is_slow(speed, text):
    assert rate(speed) == text


@pytest.mark.parametrize(("seconds", "text"), [(41, "0:41"), (727.4, "12:07"), (11100, "3:05:00")])
def test_time_left_reads_like_a_clock(seconds, text):
    assert clock(seconds) == text
