"""On a processor without bf16 products every verb refuses bf16-mixed in one sentence."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
VERBS = {
    "train": (["train", "configs/daily/threshold_1pct.yaml", "--budget", "3k"], "training"),
    "find-batch-size": (["find-batch-size", "--budget", "3k"], "training"),
    "study plan": (["study", "plan", "configs/studies/sp500_first.yaml"], "experiment.training"),
    "study run": (["study", "run", "configs/studies/sp500_first.yaml"], "experiment.training"),
    "tune run": (["tune", "run", "sp500_search"], "experiment.training"),
    "programme run": (["programme", "run", "seed", "--quick"], "study.experiment.training"),
    "train --devices": (["train", "threshold_1pct", "--devices", "2"], "training"),
}
#: Studies of two small sizes, a programme of one cell.
SMALL = {
    "study": ["axes.parameters=[3k, 5k]"],
    "tune": ["axes.parameters=[3k, 5k]"],
    "programme": ["study.axes.parameters=[3k, 5k]", "tasks=[direction]", "timescales=[daily]"],
}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX2 is x86's")
@pytest.mark.parametrize(
    "verb",
    # two processes that each import torch take a quarter of a minute
    [pytest.param(v, marks=pytest.mark.slow) if v == "train --devices" else v for v in VERBS],
)
def test_bf16_without_its_products_ends_in_a_sentence(root, data_root, tmp_path, verb) -> None:
    words, section = VERBS[verb]
    words = [*words, "--set", f"{section}.precision=bf16-mixed", "--set", f"{section}.device=cpu"]
    words += ["--data-root", str(data_root)]
    if verb.split()[0] in SMALL:
        words += ["--studies", str(tmp_path / "studies")]
    for setting in SMALL.get(verb.split()[0], []):
        words += ["--set", setting]
    done = subprocess.run(
        [sys.executable, "-c", "from finscale.cli import main; main()", *words],
        cwd=root,
        env={**os.environ, **AVX2},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "training.precision = bf16-mixed: this processor has no bf16 products" in done.stderr
    assert "use fp32, or a GPU" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "failed" not in done.stderr
    # nothing was queued: not one run lies there
    assert not list(tmp_path.glob("**/run.json"))
