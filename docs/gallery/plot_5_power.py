"""
What could this test have seen?
===============================

Before a study is believed, or paid for: how large must a gain be to be seen with so many test days,
and how large to be established as a law?
"""

# %%
# Seven sizes, five seeds, an event on 15 % of days, models of AUC .8.

import matplotlib.pyplot as plt

import finscale as fs
from finscale.scaling import StudyDesign

SIZES = (1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7)
DAYS = (250, 1000, 4000, 16000)
powers = [
    fs.study_power(
        StudyDesign(SIZES, num_seeds=5, num_days=days, base_rate=0.15, auc=0.8),
        num_replicates=300,
    )
    for days in DAYS
]

# %%
# A year of one index shows only gains that no one has ever claimed. Days come from longer tests and
# from symbols that do not move together; more seeds hardly help.

fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.plot(
    DAYS, [power.smallest_fall for power in powers], "o-", color="#2f6db5", label="seen to fall"
)
ax.plot(DAYS, [power.smallest_law for power in powers], "o-", color="#d9792b", label="a LAW")
ax.axhline(0.005, color="0.6", lw=1, ls="--", label="smallest effect of interest")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="independent test days",
    ylabel="gain, nats a day (80 % power)",
)
ax.set_xticks(DAYS, [f"{days:,}" for days in DAYS])
ticks = (0.005, 0.01, 0.02, 0.05, 0.1)
ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()
