"""The loop's step takes models that DDP or FSDP2 have wrapped, and comes to the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("distributed.py")


def weights(way: str, folder: Path, num_ranks: int) -> dict[str, list[float]]:
    folder.mkdir()
    # gloo talks over the loopback interface alone
    shared = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "WORLD_SIZE": str(num_ranks)}
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, way, folder],
            env={**os.environ, **shared, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_ranks)
    ]
    for process in processes:
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
    found: dict[str, list[float]] = json.loads((folder / "weights.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_train_as_one(way: str, tmp_path: Path) -> None:
    alone = weights("alone", tmp_path / "alone", 1)
    shared = weights(way, tmp_path / "shared", 2)
    assert shared.keys() == alone.keys()
    for name, values in alone.items():
        # a key's bias has no gradient but rounding, of which Adam makes steps
        np.testing.assert_allclose(shared[name], values, rtol=1e-4, atol=1e-4, err_msg=name)
