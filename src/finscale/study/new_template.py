"""The text of a new study file, and what it proposes for one series and for a cross-section."""

from __future__ import annotations

from dataclasses import dataclass

from finscale.config.baselines import DEFAULT_BASELINES


@dataclass(frozen=True)
class Proposal:
    """What a new study file says of the model and its training, by the kind of question.

    Parameters
    ----------
    parameters : str
        Sizes along axis ``parameters``.
    data : str
        Lines of ``experiment.data`` after the tier.
    model, training : str
        Lines of these sections, the budget left out.
    tuning : str
        The section and what is said about it.
    baselines : tuple of str
        Held against the networks.
    quick : str
        Lines that ``--quick`` lays over all.
    """

    parameters: str
    data: str
    model: str
    training: str
    tuning: str
    baselines: tuple[str, ...]
    quick: str


_THREADS = (
    "threads: auto # measured for each size when the study starts: shared cores, or all of them"
)

#: One question about each series by itself.
ALONE = Proposal(
    parameters="5k, 17k, 55k, 180k, 600k, 2M",
    data="context_length: 80 # bars that a window sees",
    model="",
    training="\n    ".join(
        (
            "epochs: 20",
            "patience: 5 # epochs without a better validation loss before a run stops",
            "batch_size: 64",
            _THREADS,
        )
    ),
    tuning="""\
# transfer: one base learning rate, which µP scales layer by layer, one batch size for all. sweep:
# both by a short sweep per size, chosen on validation. fixed: training.learning_rate for all.
tuning: transfer""",
    baselines=DEFAULT_BASELINES,
    quick="""experiment:
    training:
      epochs: 5""",
)

#: Symbols of a day compared with one another: what is to be learned is so weak that a network
#: without strong regularisation is worse the larger it is (431 US stocks, 2007–2016).
ACROSS = Proposal(
    parameters="2k, 7k, 25k, 90k, 300k",
    data="""cross_section: ranks # features as ranks among the day's members
    context_length: 2 # bars that a window sees; older ones are in the features""",
    model="""kind: mlp # the logistic on the last row, frozen, and a network beside it
    dropout: 0.5
    """,
    training="\n    ".join(
        (
            "epochs: 3",
            "patience: 1 # epochs without a better validation loss before a run stops",
            "batch_size: 512",
            "weight_decay: 1.0",
            "learning_rate: 3e-4",
            _THREADS,
        )
    ),
    tuning="""\
# Rate and weight decay by a short sweep per size, chosen on validation.
tuning:
  rule: sweep
  rate_factors: [0.33, 1, 3]
  weight_decays: [0.1, 1.0]
  batch_sizes: []""",
    baselines=("base_rate", "volatility", "logistic", "lightgbm"),
    quick="""experiment:
    split: {{ folds: {folds} }}
    training: {{ epochs: 2 }}
  tuning: {{ rule: fixed }}""",
)

#: Bars of closes have no high that could touch a threshold.
TOUCH = "\n    touch: close # the bars have no high"

TEMPLATE = """\
# finscale study plan FILE   says what this takes and what it could find, before anything is spent
# finscale study run FILE    computes what is missing; stop it at any time
name: {name}
question: {question}

# What all runs share.
experiment:
  data:
    {which}
    source: {source} # where their bars come from{root}
    tier: {tier}
    {data}
  task:
    name: {task} # direction, threshold_{{0.5,1,2,3,5}}pct, regression, outperform …
    horizon: {horizon} # bars ahead that the label looks at{touch}
  split:
    {split}
  model:
    {model}budget: {budget} # {budget_note}
  training:
    {training}

# What grows. It sets {grown.sets}.
# Held fixed: {grown.fixed}.
# The law is fitted to: {grown.measured}.
axes:
  {axis}: [{sizes}]

seeds: {seeds}

{tuning}

# Models without scale on the same windows{must}.
baselines: [{baselines}]

# Beside the real labels: shuffled ones (nothing may be found) and a planted signal (must be found).
controls:
  kinds: {kinds}

# What the verdict is about, on test days. loss: log loss in nats, or squared error. auc: ranking
# of the days. r2: variance of returns explained. sharpe: yearly Sharpe ratio after `costs`, at the
# operating point that validation chose, of a cross-section that of its long–short portfolio. ic:
# mean rank correlation of forecasts and returns of a day.
outcome: {outcome}

# A gain below this over the whole range ({unit}) would not be worth having.
sesoi: {sesoi}

# What --quick lays over all this: a rehearsal under the name {quick_name}.
quick:
  axes:
    {axis}: [{first}]
  seeds: 2
  {quick}
"""
