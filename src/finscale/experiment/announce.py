"""What a run is about to do, in a few lines: data, task, split, model, training, placement."""

from __future__ import annotations

import numpy as np

from finscale.config import BaselineConfig, format_count
from finscale.config.universes import symbols_in_words
from finscale.data.train_part import train_part_words
from finscale.data.unseen import unseen_symbols
from finscale.evaluation.targets import target_of
from finscale.experiment.place import placement_words
from finscale.experiment.preparation import Prepared
from finscale.models import ARCHITECTURES

#: Symbols whose datasets are told one by one.
_NAMED = 8


def announcement(prepared: Prepared) -> list[tuple[str, str]]:
    """Return (subject, facts) lines about a placed run; a baseline's end with the model."""
    lines = [("data", _data(prepared)), ("task", _task(prepared))]
    if members := _members(prepared):
        lines.insert(1, ("universe", members))
    if prepared.left_out:
        lines.insert(2, ("left out", prepared.left_out))
    lines.append(("split", _split(prepared)))
    if caution := prepared.split.caution:
        lines.append(("caution", caution))
    if isinstance(prepared.config.model, BaselineConfig):
        lines.append(("model", f"baseline {prepared.config.model.name}"))
        return lines
    return [
        *lines,
        ("model", _model(prepared)),
        ("training", _training(prepared)),
        ("device", placement_words(prepared.config)),
    ]


def _data(prepared: Prepared) -> str:
    data, dataset = prepared.config.data, prepared.dataset
    entries = dataset.entries
    digests = ", ".join(f"{e.version} md5 {e.md5[:8]} ✓ manifest" for e in entries[:3])
    if len(entries) > _NAMED:
        versions = "/".join(sorted({entry.version for entry in entries}))
        digests, more = f"{versions} of {len(entries):,} symbols ✓ manifest", ""
    else:
        more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    names = sorted({name for entry in entries for name in entry.series})
    beside = f"with {', '.join(names)} · " if names else ""
    return (
        f"{symbols_in_words(data)} · {data.feature_set} · {data.timescale} · {beside}"
        f"{len(dataset.ends_W):,} windows of {dataset.context_length} bars × "
        f"{dataset.num_features} channels · dataset {digests}{more}"
    )


def _members(prepared: Prepared) -> str:
    """Return how many belong to the universe, and what is known of those that failed."""
    dataset = prepared.dataset
    if not dataset.membership:
        return ""
    _, per_day = np.unique(dataset.date_R[dataset.ends_W], return_counts=True)
    counts = (
        f"{per_day.min():,} to {per_day.max():,} symbols a day, median {np.median(per_day):,.0f}"
    )
    if dataset.groups is not None:
        counts += f" · {len(set(dataset.groups)):,} groups"
    name, _, said = dataset.membership.removeprefix("universe ").partition(": ")
    return f"{name} · {counts}" + (f" · {said}" if said else "")


def _task(prepared: Prepared) -> str:
    dataset = prepared.dataset
    text: str = dataset.timeline
    if target_of(prepared.config).is_event:
        text += f"   base rate {dataset.base_rate(prepared.split.train):.1%} in train"
    return text


def _split(prepared: Prepared) -> str:
    config = prepared.config.split
    text: str = prepared.split.describe()
    if unseen := unseen_symbols(prepared.dataset.symbols, config):
        names = " ".join(unseen[:4]) + " …" * (len(unseen) > 4)
        tested = "they alone are" if config.symbols == "unseen" else "all are"
        text += f"  trained without {len(unseen)} symbols ({names}): {tested} tested"
    if part := train_part_words(prepared.dataset.symbols, config):
        text += f"  {part}"
    if config.method != "shares":
        return text
    held_out = config.validation_fraction, config.test_fraction
    shares = " / ".join(f"{100 * share:.3g}" for share in (1 - sum(held_out), *held_out))
    return f"{shares} % of the history  {text}"


def _model(prepared: Prepared) -> str:
    network, counts = prepared.config.network, prepared.counts
    assert counts is not None
    text = (
        f"{ARCHITECTURES[network.kind].describe(network)} · "
        f"{counts.total:,} parameters ({counts.non_embedding:,} non-embedding)"
    )
    if network.budget is not None:
        text += f" · {counts.total / network.budget - 1:+.1%} of {format_count(network.budget)}"
    return text + f" · {format_count(prepared.flops_per_sample)}FLOP a window"


def _training(prepared: Prepared) -> str:
    training = prepared.config.training
    rate = training.learning_rate
    assert isinstance(rate, float)
    epochs = f"{training.epochs} epoch{'' if training.epochs == 1 else 's'}"
    return (
        f"{training.precision} · batch {training.batch_size} · learning rate {rate:.2g} · "
        f"at most {epochs} · seed {prepared.config.seed}"
    )
