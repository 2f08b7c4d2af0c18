"""One model in several processes: the same training as in one, whoever holds what, also resumed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finscale.config.model import MODEL_CONFIGS

SCRIPT = Path(__file__).with_name("distributed.py")
PATCHTST = {
    "kind": "patchtst",
    "depth": 2,
    "width": 8,
    "heads": 2,
    "patch_length": 8,
    "stride": 4,
    "dropout": 0.2,
}
# 31 windows are 16 and 15, and the last step of an epoch is not full
SETTINGS = {"epochs": 7, "batch_size": 31}
Answers = dict[str, dict[str, Any]]


def answers(folder: Path, jobs: dict[str, Any], processes: int) -> Answers:
    """Do the jobs in several processes, one after another."""
    folder.mkdir(exist_ok=True)
    (folder / "jobs.json").write_text(json.dumps(jobs))
    work = [str(folder), str(folder / "jobs.json"), str(processes)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *work], stderr=subprocess.PIPE, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    found: Answers = json.loads((folder / "answers.json").read_text())
    return found


def job(strategy: str, network: dict[str, Any] = PATCHTST, **more: Any) -> dict[str, Any]:
    """Return a job; ``alone`` is one process."""
    training = {**SETTINGS, **more.pop("training", {})}
    if strategy != "alone":
        training["strategy"] = strategy
    return {"alone": strategy == "alone", "network": network, "training": training, **more}


def assert_same(found: dict[str, Any], alone: dict[str, Any], rtol: float = 1e-5) -> None:
    assert "error" not in found, found
    losses = found["losses"]
    # a resumed training shows its own steps
    np.testing.assert_allclose(losses, alone["losses"][-len(losses) :], rtol=rtol)
    np.testing.assert_allclose(found["logit"], alone["logit"], rtol=1e-3, atol=1e-4)
    assert found["stopped"] == alone["stopped"]
    assert found["best_epoch"] == alone["best_epoch"]
    assert found["groups"] == alone["groups"]
    assert found["weights"].keys() == alone["weights"].keys()
    for name, record in zip(found["history"], alone["history"], strict=True):
        assert name["validation_loss"] == pytest.approx(record["validation_loss"], rel=rtol)


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    pairs = {"loss": "soft_auc", "epochs": 1, "batch_size": 8, "accumulate": 4}
    batch_norm = {**PATCHTST, "norm": "batch"}
    found = answers(
        tmp_path,
        {
            "alone": job("alone"),
            "ddp": job("ddp"),
            # one training, held in turn by two whole, by two in shares, and by one
            "ddp stops": job("ddp", folder="a", pause_after=30),
            "fsdp goes on": job("fsdp", folder="a", best_in_file=True, pause_after=36),
            "fsdp goes on again": job("fsdp", folder="a", best_in_file=True, pause_after=42),
            "alone ends": job("alone", folder="a"),
            "pairs alone": job("alone", training=pairs),
            "pairs": job("ddp", training=pairs),
            "batch norm": job("ddp", batch_norm),
        },
        processes=2,
    )
    alone = found["alone"]
    assert len(alone["losses"]) >= 50
    for name in ("ddp", "alone ends"):
        assert_same(found[name], alone)
    stops = {"ddp stops": (0, 30), "fsdp goes on": (30, 36), "fsdp goes on again": (36, 42)}
    for name, (first, last) in stops.items():
        assert "a resume point is written" in found[name]["error"]
        np.testing.assert_allclose(
            found[name]["losses"], alone["losses"][first:last], rtol=1e-5, err_msg=name
        )
    # a loss over pairs of windows sees those of all processes
    np.testing.assert_allclose(found["pairs"]["losses"], found["pairs alone"]["losses"], rtol=1e-5)
    assert "batch norm" in found["batch norm"]["error"]


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_four_processes_train_as_one_and_go_on_as_two(tmp_path: Path) -> None:
    half = {"epochs": 2, "precision": "bf16-mixed"}
    four = answers(
        tmp_path,
        {
            "alone": job("alone"),
            "ddp": job("ddp"),
            "fsdp": job("fsdp"),
            "stops": job("fsdp", folder="a", pause_after=26),
            "half": job("ddp", training=half),
            "half in shares": job("fsdp", training=half),
        },
        processes=4,
    )
    two = answers(tmp_path, {"goes on": job("fsdp", folder="a")}, processes=2)
    for found in (four["ddp"], four["fsdp"], two["goes on"]):
        assert_same(found, four["alone"])
    # blocks in bf16 compute what autocast computes
    assert_same(four["half in shares"], four["half"])


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_every_architecture_is_shared_or_refused(tmp_path: Path) -> None:
    sizes = {
        "dlinear": {"width": 4},
        "nlinear": {"width": 4},
        "itransformer": {"budget": 20_000},
        "tsmixer": {"budget": 20_000},
        "tide": {"budget": 20_000},
        "mlp": {"width": 8, "depth": 2},
        "nhits": {"budget": 20_000},
        "moderntcn": {"budget": 20_000},
        "gru": {"width": 8},
        "patchtst": {**PATCHTST, "channels": "independent"},
    }
    assert sizes.keys() == {*MODEL_CONFIGS} - {"baseline"}
    jobs = {
        f"{kind} {way}": job(way, {"kind": kind, **network}, training={"epochs": 2})
        for kind, network in sizes.items()
        for way in ("alone", "ddp", "fsdp")
    }
    found = answers(tmp_path, jobs, processes=2)
    for kind in sizes:
        for way in ("ddp", "fsdp"):
            if kind == "moderntcn":
                assert "batch norm" in found[f"{kind} {way}"]["error"]
            else:
                assert_same(found[f"{kind} {way}"], found[f"{kind} alone"])


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(300)
def test_torchrun_starts_them_too(tmp_path: Path) -> None:
    jobs = {"alone": job("alone"), "ddp": job("ddp")}
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = [str(SCRIPT), str(tmp_path), str(tmp_path / "jobs.json")]
    subprocess.run([*torchrun, "--nproc-per-node", "2", *script], check=True, timeout=240)
    found = json.loads((tmp_path / "answers.json").read_text())
    assert_same(found["ddp"], found["alone"])
