"""
Two studies, two verdicts
=========================

A law is planted in the daily losses of seven sizes. A long test and a large gain establish it; a
short test and a small gain do not, and the verdict says what would.
"""

# %%
# Losses of each size, seed and test day. Most of a day's loss is shared by all sizes: the day was
# easy, or hard. What decides is the small rest.

import matplotlib.pyplot as plt
import numpy as np

import finscale as fs

SIZES = np.geomspace(1e4, 1e7, 7)


def losses(gain, days, seeds=5, seed=0):
    """Return [G, S, T]: a power law that falls by ``gain``, under the luck of days and seeds."""
    rng = np.random.default_rng(seed)
    fall_G = SIZES**-0.3
    fall_G = gain * (fall_G - fall_G[-1]) / (fall_G[0] - fall_G[-1])
    day_T = 0.3 * rng.standard_normal(days)
    size_GT = 0.03 * rng.standard_normal((7, days))
    run_GST = 0.01 * rng.standard_normal((7, seeds, days))
    luck_GS1 = 0.001 * rng.standard_normal((7, seeds, 1))
    return 0.4 + fall_G[:, None, None] + day_T + size_GT[:, None] + run_GST + luck_GS1


studies = {
    "a large gain, 2,500 days": losses(0.04, 2500),
    "a small gain, 250 days": losses(0.004, 250),
}
verdicts = {
    name: fs.decide(loss_GST, SIZES, sesoi=0.005, num_replicates=500)
    for name, loss_GST in studies.items()
}
for name, verdict in verdicts.items():
    print(f"{name}\n  {verdict.sentence}\n")

# %%
# Every seed a dot. What all sizes share is taken away before drawing, as the verdict does.

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, (name, loss_GST) in zip(axes, studies.items(), strict=True):
    mean_GS = (loss_GST - loss_GST.mean(axis=(0, 1))).mean(axis=2)
    for size, mean_S in zip(SIZES, mean_GS, strict=True):
        ax.plot(np.full(len(mean_S), size), mean_S, "o", color="#2f6db5", alpha=0.4, ms=5)
    ax.plot(SIZES, mean_GS.mean(axis=1), color="#d9792b")
    ax.set(xscale="log", xlabel="parameters", title=f"{name}: {verdicts[name].name}")
axes[0].set_ylabel("loss less its mean (nats)")
plt.show()
