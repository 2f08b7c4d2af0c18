"""
A walk-forward split, purged and embargoed
==========================================

Every fold trains on the past, chooses on the next year and is tested on the one after. At each seam
windows are purged whose label looks across it, and an embargo follows.
"""

# %%
# A label that looks five days ahead, three folds, on bundled bars.

import tempfile

import matplotlib.pyplot as plt
import numpy as np

import finscale as fs
from finscale.experiment import prepare

with tempfile.TemporaryDirectory() as folder:
    config = fs.ExperimentConfig.model_validate(
        {
            "data": {"root": folder},
            "task": {"name": "direction", "horizon": 5},
            "split": {"method": "walk_forward", "folds": 3, "embargo": 10},
            "model": {"kind": "baseline", "name": "base_rate"},
        }
    )
    dataset = prepare(config).dataset
splits = dataset.splits(config.split)

# %%
# The whole of it, and the seam between training and validation of the first fold.

COLOURS = {"train": "#2f6db5", "validation": "#4c9a6a", "test": "#d9792b"}
fig, (whole, seam) = plt.subplots(2, 1, figsize=(8, 4.6), layout="constrained")
for fold, split in enumerate(splits):
    print(split.describe())
    for part, colour in COLOURS.items():
        days = dataset.dates(getattr(split, part))
        whole.plot(days, np.full(len(days), fold), "|", color=colour, ms=14)
whole.set_yticks(range(3), [f"fold {fold}" for fold in range(3)])
whole.set_ylim(2.6, -0.6)

first = splits[0]
edge = dataset.dates(first.validation)[0]
for part, colour in COLOURS.items():
    days = dataset.dates(getattr(first, part))
    near = days[np.abs((days - edge).astype("timedelta64[D]").astype(int)) < 50]
    seam.plot(near, np.zeros(len(near)), "o", color=colour, ms=5, label=part if len(near) else None)
seam.set_yticks([])
seam.set_ylim(-1, 1.6)
seam.set_title("decision days around the first seam: the gap is purge and embargo", fontsize=10)
seam.legend(frameon=False, ncols=3, loc="upper left")
plt.show()
