"""Trains the same small model in every way that is asked for; run by test_distributed.py.

    python distributed.py FOLDER JOBS.json [PROCESSES]

A job is what to train and how; each process does all of them in turn, and the first one writes what
they came to as ``FOLDER/answers.json``. The processes are those of torchrun, or forked here.
"""

import importlib.util
import json
import os
import resource
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed as dist

from finscale.config import TaskConfig, TrainingConfig
from finscale.config.model import model_section
from finscale.errors import TrainingError
from finscale.models import build_model
from finscale.training import Callback, Trainer
from finscale.training import state as training_state
from finscale.training.distributed import ALONE, joined_ranks
from finscale.training.distributed_launch import environment
from finscale.training.distributed_weights import build_shared

spec = importlib.util.spec_from_file_location("conftest", Path(__file__).with_name("conftest.py"))
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)


class Losses(Callback):
    """Keep every step's loss, and pause after some steps."""

    def __init__(self, pause_after):
        self.losses = []
        self.pause_after = pause_after

    def on_step_end(self, trainer):
        self.losses.append(trainer.state.losses_S[trainer.state.step - 1].item())
        if trainer.num_steps == self.pause_after:
            trainer.request_pause("the test asked")


def train(job, ranks, folder):
    """Train as a job says and return losses, history and a sample of the weights."""
    torch.set_num_threads(1)
    task = TaskConfig(name="threshold_1pct")
    dataset = shared.make_dataset(task)
    split = dataset.split(shared.SPLIT)
    network = model_section(job["network"]).model_validate(job["network"])
    settings = {**shared.SETTINGS, "clip_norm": 0.1, "batch_size": 16, **job.get("training", {})}
    config = TrainingConfig.model_validate(settings)

    def build():
        return build_model(network, num_features=5, context_length=16)

    # small models keep their best weights in memory, unless a job is about large ones
    training_state._KEEP_IN_MEMORY = 0 if job.get("best_in_file") else 2**28
    torch.manual_seed(3)
    sharded = ranks.together and config.strategy == "fsdp"
    model = build_shared(build, ranks, seed=3) if sharded else build()
    watch = Losses(job.get("pause_after"))
    trainer = Trainer(
        model,
        dataset.scaled(split.train),
        split,
        config,
        task=task,
        seed=5,
        callbacks=[watch] if ranks.leads else [],
        folder=folder / job["folder"] if "folder" in job else None,
        ranks=ranks,
    )
    try:
        result = trainer.fit()
    except TrainingError as error:
        return {"losses": watch.losses, "error": str(error)}
    history = [
        {k: v for k, v in record.items() if k not in shared.TIMED} for record in result.history
    ]
    logit = trainer.predict(split.test)
    weights = trainer.weights()
    return {
        "losses": watch.losses,
        "history": history,
        "stopped": result.stopped,
        "best_epoch": result.best_epoch,
        "logit": logit.tolist(),
        "weights": {name: tensor.double().norm().item() for name, tensor in weights.items()},
        "groups": [
            [group["name"], len(group["params"]), group["lr"]]
            for group in trainer.state.optimizer.param_groups
        ],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def answer(folder, jobs):
    """Do all jobs as one of the processes; the first one writes the answers."""
    with joined_ranks("cpu") as ranks:
        answers = {}
        for name, job in jobs.items():
            # what one process comes to, where the first one is to compare
            alone = job.get("alone", False)
            if alone and not ranks.leads:
                continue
            try:
                answers[name] = train(job, ALONE if alone else ranks, folder)
            except TrainingError as error:
                answers[name] = {"error": str(error)}
        if ranks.leads:
            (folder / "answers.json").write_text(json.dumps(answers))


def fork(processes, *work):
    """Answer in forked processes: torch is loaded once. Return whether all ended well."""
    # loaded before the fork, too
    import torch._dynamo  # noqa: F401

    from finscale.training import distributed_state, distributed_wrap  # noqa: F401

    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    children = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            os.environ.update(environment(rank, processes, store.port))
            try:
                answer(*work)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return not any(os.waitpid(child, 0)[1] for child in children)


if __name__ == "__main__":
    work = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    if len(sys.argv) == 4:
        sys.exit(0 if fork(int(sys.argv[3]), *work) else 1)
    answer(*work)
