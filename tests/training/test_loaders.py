"""A trainer on windows that come from plain DataLoader objects."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import finscale as fs
from finscale.config import TaskConfig, TrainingConfig
from finscale.errors import DataError

TASK = TaskConfig(name="direction")


def loader(num: int, *, rows: int = 16, seed: int = 0, batch: int = 32) -> DataLoader:
    generator = torch.Generator().manual_seed(seed)
    x_NLF = torch.randn(num, rows, 3, generator=generator)
    y_N = (x_NLF[:, -1, 0] > 0).float()
    return DataLoader(TensorDataset(x_NLF, y_N), batch_size=batch)


def test_a_budgeted_patchtst_learns_from_loaders() -> None:
    dataset, split = fs.from_loaders(loader(512), loader(128, seed=1), task=TASK)
    torch.manual_seed(0)
    model = fs.PatchTST(budget="20k", num_features=3, context_length=16, patch_length=4, stride=4)
    config = TrainingConfig(epochs=8, batch_size=64, learning_rate=3e-3, device="cpu", threads=1)
    trainer = fs.Trainer(model, dataset, split, config, task=TASK)
    assert trainer.fit().best_validation_loss < 0.5
    logit = trainer.predict(split.validation)
    assert ((logit > 0) == (dataset.targets(split.validation) > 0.5)).mean() > 0.75


def test_windows_stay_as_they_came() -> None:
    train, validation = loader(40, batch=7), loader(9, seed=1)
    dataset, split = fs.from_loaders(train, validation, task=TASK)
    x_BLF, y_B = dataset.batch(torch.from_numpy(split.train))
    assert torch.equal(x_BLF, train.dataset.tensors[0])
    assert torch.equal(y_B, train.dataset.tensors[1])
    x_BLF, _ = dataset.batch(torch.from_numpy(split.validation))
    assert torch.equal(x_BLF, validation.dataset.tensors[0])


@pytest.mark.parametrize(
    ("train", "validation", "words"),
    [
        (loader(4), loader(4, rows=8), r"\(16, 3\), those of validation \(8, 3\)"),
        ([], loader(4), "the train loader is empty"),
        ([torch.ones(2, 16, 3)], loader(4), "not pairs of windows and labels"),
        ([(torch.ones(2, 16), torch.ones(2))], loader(4), r"gives windows \(2, 16\)"),
        ([(torch.ones(2, 16, 3), torch.ones(3))], loader(4), r"labels \(3,\)"),
        ([(torch.full((2, 16, 3), torch.nan), torch.ones(2))], loader(4), "not finite"),
    ],
)
def test_what_no_trainer_could_use_is_refused(train, validation, words) -> None:
    with pytest.raises(DataError, match=words):
        fs.from_loaders(train, validation, task=TASK)
