"""What watching the temperature costs, as a share of training time: the goal is under 0.1 %.

Two accounts of the same thing. The *bill* adds what is spent: processor time of one reading over
the interval between readings, and one call of ``on_step_end`` over one step. The *ratio* compares
steps with and without the callback, in interleaved blocks; it contains everything, and the noise of
the machine too.

    python benchmarks/thermal.py
"""

import argparse
import statistics
import time

import torch

from finscale.config import ModelConfig, TaskConfig, TrainingConfig
from finscale.training import Reading, ThermalCallback, fit
from finscale.training.devices import use_threads
from finscale.training.probe import ProbeRequest, make_trainer
from finscale.training.sensors import SENSORS, hottest

BLOCK_SECONDS = 1.0


def seconds_of(function, repeats):
    """Median processor time of this thread in one call."""
    times = []
    for _ in range(repeats):
        started = time.thread_time()
        function()
        times.append(time.thread_time() - started)
    return statistics.median(times)


def block(trainer, ends_B, callback):
    """Seconds a step over one block, with or without the callback."""
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < BLOCK_SECONDS:
        fit.step(trainer, ends_B)
        trainer.state.step = 0
        if callback is not None:
            callback.on_step_end(trainer)
        count += 1
    return (time.perf_counter() - started) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=10)
    arguments = parser.parse_args()

    network = ModelConfig(depth=arguments.depth, width=arguments.width, heads=2)
    training = TrainingConfig(
        device="cpu", threads=1, batch_size=64, learning_rate=1e-3, precision="fp32"
    )
    request = ProbeRequest(
        network=network, training=training, task=TaskConfig(), num_features=25, context_length=80
    )
    trainer = make_trainer(request)
    ends_B = torch.from_numpy(trainer.split.train[:64])

    found = {name: sensor() for name, sensor in SENSORS.items()}
    print("sensors:", {name: str(reading) for name, reading in found.items()})
    present = hottest() is not None
    # without hardware the callback stops asking; a stand-in keeps its thread as busy as a sensor
    read = hottest if present else lambda: (hottest(), Reading(celsius=50.0))[1]
    thermal = ThermalCallback(read=read)

    with use_threads(1):
        fit.setup(trainer)
        trainer.model.train()
        block(trainer, ends_B, None)
        thermal.on_fit_start(trainer)
        time.sleep(0.2)
        steps = {"off": [], "on": []}
        ratios = []
        for _ in range(arguments.pairs):
            thermal.on_fit_end(trainer, None)
            off = block(trainer, ends_B, None)
            thermal.on_fit_start(trainer)
            on = block(trainer, ends_B, thermal)
            steps["off"].append(off)
            steps["on"].append(on)
            ratios.append(on / off)
        thermal.on_fit_end(trainer, None)

    step = statistics.median(steps["off"])
    reading = seconds_of(read, 200)
    started = time.perf_counter()
    for _ in range(100_000):
        thermal.on_step_end(trainer)
    call = (time.perf_counter() - started) / 100_000
    bill = reading / thermal.config.interval + call / step
    print(f"one step                       {step * 1e3:9.3f} ms")
    interval = thermal.config.interval
    print(f"one reading (processor time)   {reading * 1e6:9.1f} µs every {interval:g} s")
    print(f"one call of on_step_end        {call * 1e9:9.1f} ns")
    print(f"bill: share of training time   {bill:9.5%}")
    print(
        f"ratio on / off, median of {len(ratios)}   {statistics.median(ratios):9.4f}  "
        f"(from {min(ratios):.4f} to {max(ratios):.4f})"
    )


if __name__ == "__main__":
    main()
