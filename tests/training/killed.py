"""Train the same small model again and again, killed each time, until it gets to its end.

Run by test_resume.py as a script: the children are forked, so that a kill costs milliseconds, and
nothing is computed before the fork. Prints the number of kills and the digest of the outcome;
without a seed it trains undisturbed.
"""

import hashlib
import importlib.util
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from finscale.config import TaskConfig, TrainingConfig
from finscale.models import build_model
from finscale.training import Trainer

spec = importlib.util.spec_from_file_location("conftest", Path(__file__).with_name("conftest.py"))
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)


def train(folder):
    """Train to the end and return a digest of weights, history and predictions."""
    task = TaskConfig(name="threshold_1pct")
    dataset = shared.make_dataset(task)
    split = dataset.split(shared.SPLIT)
    torch.manual_seed(0)
    model = build_model(shared.NETWORK, num_features=5, context_length=16)
    settings = {**shared.SETTINGS, "batch_size": 4, "epochs": 24, "patience": None}
    config = TrainingConfig(**settings, checkpoint_minutes=0.0005, accumulate=2)
    trainer = Trainer(
        model, dataset.scaled(split.train), split, config, task=task, seed=0, folder=folder
    )
    result = trainer.fit()
    digest = hashlib.sha256(trainer.predict(split.test).tobytes())
    for tensor in trainer.model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    for record in result.history:
        kept = {name: v for name, v in record.items() if name not in shared.TIMED}
        digest.update(repr(kept).encode())
    return digest.hexdigest()


def fork_and_train(folder, answer):
    """Return the child's process id; it writes its digest to ``answer``."""
    child = os.fork()
    if child:
        return child
    try:
        answer.write_text(train(folder))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def kill_until_done(folder, seed):
    """Kill at random moments until a child gets to the end; return the number of kills."""
    rng = random.Random(seed)
    answer = folder.with_suffix(".digest")
    for num_kills in range(1000):
        child = fork_and_train(folder, answer)
        deadline = time.monotonic() + rng.uniform(0.05, 0.4) * (1 + num_kills / 10)
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                assert status == 0, "the training failed"
                return num_kills, answer.read_text()
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    raise AssertionError("1000 kills and no end")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(0, train(Path(sys.argv[1])))
    else:
        print(*kill_until_done(Path(sys.argv[1]), int(sys.argv[2])))
