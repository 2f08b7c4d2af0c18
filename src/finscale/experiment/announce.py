"""What a run is about to do, in a few lines: data, task, split, model, training, placement."""

from __future__ import annotations

from finscale.config import BaselineConfig, format_count
from finscale.evaluation.targets import target_of
from finscale.experiment.place import placement_words
from finscale.experiment.preparation import Prepared
from finscale.models import ARCHITECTURES


def announcement(prepared: Prepared) -> list[tuple[str, str]]:
    """Return (subject, facts) lines about a placed run; a baseline's end with the model."""
    lines = [("data", _data(prepared)), ("task", _task(prepared))]
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
    digests = ", ".join(f"{e.version} md5 {e.md5[:8]} ✓ manifest" for e in dataset.entries[:3])
    more = f" and {len(dataset.entries) - 3} more" if len(dataset.entries) > 3 else ""
    names = sorted({name for entry in dataset.entries for name in entry.series})
    beside = f"with {', '.join(names)} · " if names else ""
    return (
        f"{' '.join(dataset.symbols)} · {data.tier} · {data.timescale} · {beside}"
        f"{len(dataset.ends_W):,} windows of {dataset.context_length} bars × "
        f"{dataset.num_features} channels · dataset {digests}{more}"
    )


def _task(prepared: Prepared) -> str:
    dataset = prepared.dataset
    text: str = dataset.timeline
    if target_of(prepared.config).is_event:
        text += f"   base rate {dataset.base_rate(prepared.split.train):.1%} in train"
    return text


def _split(prepared: Prepared) -> str:
    config = prepared.config.split
    text: str = prepared.split.describe()
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
