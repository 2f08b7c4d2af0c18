"""A setting written into a file: comments and layout stay, nothing else changes."""

from __future__ import annotations

import pytest

from finscale.config import ExperimentConfig, load_config
from finscale.config.editing import write_setting
from finscale.errors import ConfigError, FinscaleError

LAYOUTS = {
    "key present": (
        "# mine\ntraining:\n  lr: 3e-4  # found\n  batch_size: auto   # later\n\nseed: 1\n",
        "# mine\ntraining:\n  lr: 3e-4  # found\n  batch_size: 128   # later\n\nseed: 1\n",
    ),
    "key present, a number, deep indent": (
        "training:\n      batch_size: 64\n      epochs: 3\n",
        "training:\n      batch_size: 128\n      epochs: 3\n",
    ),
    "key without a value": (
        "training:\n  batch_size:\n  epochs: 3\n",
        "training:\n  batch_size: 128\n  epochs: 3\n",
    ),
    "section without the key": (
        "training: # how\n\n    # a rate\n    lr: 3e-4\nseed: 1\n",
        "training: # how\n    batch_size: 128\n\n    # a rate\n    lr: 3e-4\nseed: 1\n",
    ),
    "section absent": ("seed: 1 # one\n", "seed: 1 # one\ntraining:\n  batch_size: 128\n"),
    "section absent, no newline at the end": (
        "seed: 1",
        "seed: 1\ntraining:\n  batch_size: 128\n",
    ),
    "section empty": (
        "training: # nothing yet\nseed: 1\n",
        "training:\n  batch_size: 128 # nothing yet\nseed: 1\n",
    ),
    "section null": ("training: null\nseed: 1\n", "training:\n  batch_size: 128\nseed: 1\n"),
    "braces": (
        "training: {lr: 0.1, batch_size: 8} # short\n",
        "training: {lr: 0.1, batch_size: 128} # short\n",
    ),
    "braces without the key": (
        "training: {lr: 0.1}\nseed: 1\n",
        "training: {batch_size: 128, lr: 0.1}\nseed: 1\n",
    ),
    "braces, empty": ("training: {}\n", "training: {batch_size: 128}\n"),
    "everything in braces": ("{seed: 1}\n", "{training: {batch_size: 128}, seed: 1}\n"),
    "windows": (
        "seed: 1\r\ntraining:\r\n  epochs: 3\r\n",
        "seed: 1\r\ntraining:\r\n  batch_size: 128\r\n  epochs: 3\r\n",
    ),
    "the same name elsewhere": (
        "tuning:\n  batch_size: 5\ntraining:\n  epochs: 3\n",
        "tuning:\n  batch_size: 5\ntraining:\n  batch_size: 128\n  epochs: 3\n",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_text_is_edited_and_not_dumped(tmp_path, layout) -> None:
    before, after = LAYOUTS[layout]
    path = tmp_path / "config.yaml"
    path.write_bytes(before.encode())
    write_setting(path, "training", "batch_size", 128)
    assert path.read_bytes().decode() == after
    # and again: what stands there is replaced
    write_setting(path, "training", "batch_size", 16)
    assert path.read_bytes().decode() == after.replace("128", "16")
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.yaml"]


def test_a_section_in_another_file_becomes_its_base(tmp_path) -> None:
    (tmp_path / "slow.yaml").write_text("epochs: 7\n")
    path = tmp_path / "config.yaml"
    path.write_text("training: slow.yaml # shared\nseed: 3\n")
    write_setting(path, "training", "batch_size", 128)
    config = load_config(ExperimentConfig, path)
    assert (config.training.batch_size, config.training.epochs, config.seed) == (128, 7, 3)
    assert "# shared" in path.read_text()


def test_every_recipe_can_be_written_into(root, us431_data, tmp_path) -> None:
    for recipe in sorted((root / "configs/daily").glob("*.yaml")):
        text = recipe.read_text(encoding="utf-8")
        copy = tmp_path / recipe.name
        copy.write_text(text.replace("../model", str(root / "configs/model")), encoding="utf-8")
        write_setting(copy, "training", "batch_size", 128)
        settings = us431_data if "us431" in recipe.stem else []
        settings = [text.removeprefix("experiment.") for text in settings]
        assert load_config(ExperimentConfig, copy, settings).training.batch_size == 128
        comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
        assert set(comments) <= set(copy.read_text(encoding="utf-8").splitlines())


def test_an_edit_that_would_change_more_is_refused(tmp_path) -> None:
    path = tmp_path / "config.yaml"
    text = "tuned: &t\n  epochs: 3\ntraining: *t\n"
    path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be edited safely"):
        write_setting(path, "training", "batch_size", 128)
    assert path.read_text() == text
    with pytest.raises(FinscaleError, match="does not exist"):
        write_setting(tmp_path / "none.yaml", "training", "batch_size", 128)
