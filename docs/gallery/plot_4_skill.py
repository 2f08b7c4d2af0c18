"""
The baseline that most models do not beat
=========================================

Will the S&P 500 trade 1 % higher at some time tomorrow? One number, yesterday's volatility, answers
with an AUC of .78, and knows nothing of direction. Skill is therefore reported over it, and not
only over the base rate.
"""

# %%
# Five models without scale on the same windows: trained to 2011, tested on 2015–2018.

import tempfile

import matplotlib.pyplot as plt

import finscale as fs
from finscale.evaluation.bootstrap import paired_difference_interval
from finscale.evaluation.scores import log_losses

folder = tempfile.TemporaryDirectory()
names = ("base_rate", "volatility", "volatility_ranges", "momentum", "logistic")
predictions = {}
for name in names:
    config = fs.ExperimentConfig.model_validate(
        {
            "name": name,
            "data": {"root": f"{folder.name}/data"},
            "split": {"train_end": "2011-12-31", "validation_end": "2014-12-31"},
            "model": {"kind": "baseline", "name": name},
        }
    )
    run = fs.run_experiment(config, runs=fs.RunStore(f"{folder.name}/runs"))
    predictions[name] = run.predictions("test")

# %%
# Losses are compared on the same days, and the interval comes from drawing blocks of days.

reference = predictions["volatility"]
skills = {}
for name, frame in predictions.items():
    loss_N = log_losses(frame["target"].to_numpy(), frame["logit"].to_numpy())
    base_N = log_losses(reference["target"].to_numpy(), reference["logit"].to_numpy())
    skills[name] = paired_difference_interval(frame["date"].to_numpy(), base_N, loss_N)
    print(f"{name:18} skill over volatility {skills[name].value:+.4f} nats")

# %%
# Right of the line: knows more than volatility.

fig, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
for row, skill in enumerate(skills.values()):
    ax.plot([skill.low, skill.high], [row, row], color="#2f6db5", lw=2)
    ax.plot(skill.value, row, "o", color="#d9792b")
ax.axvline(0, color="0.6", lw=1)
ax.set_yticks(range(len(skills)), [name.replace("_", " ") for name in skills])
ax.set_xlabel("skill over the volatility baseline, nats a day (95 % interval)")
ax.invert_yaxis()
folder.cleanup()
plt.show()
