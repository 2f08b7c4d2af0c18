"""What the columns of a table of results are usually called, and which column a name means."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from finscale.errors import DataError, did_you_mean


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split())


SEEDS = _listed(
    "seed random_seed rng rng_seed random_state run_seed replicate repetition repeat rep"
)
DAYS = _listed(
    "day date decision_day decision_date timestamp datetime trading_day trading_date session_date "
    "asof as_of ds"
)
FOLDS = _listed("fold split cv cv_fold cv_split outer_fold kfold")
RUNS = _listed("run_id run id uuid run_name name")
SERIES = _listed(
    "dataset data_set symbol ticker series series_id asset instrument security market task item "
    "item_id unique_id benchmark"
)
STEPS = _listed(
    "step global_step train_step training_step steps iteration iter epoch checkpoint update "
    "tokens_seen"
)
#: What trackers write beside a run and its results.
BOOKKEEPING = frozenset(
    _listed(
        "notes tags user username entity project created created_at updated updated_at start_time "
        "end_time started finished heartbeat_at runtime host hostname gpu gpu_name device commit "
        "git_commit source artifact_uri lifecycle_stage experiment_id experiment_name log_model "
        "relative_time wall_time unnamed index _timestamp _runtime _wandb"
    )
)
#: Words in the names of what a run brings out rather than goes in with.
OUTCOMES = frozenset(
    _listed(
        "loss acc accuracy auc auroc epoch epochs time seconds minutes hours runtime duration "
        "flops error mse mae rmse nll perplexity r2 ic sharpe return score f1 precision recall "
        "memory gradient grad norm low high std stderr se step steps iteration iterations"
    )
)
#: What is usually set and not measured.
SETTINGS = frozenset(
    _listed(
        "lr learning_rate weight_decay wd dropout momentum batch_size optimizer optimiser schedule "
        "scheduler warmup arch architecture model model_type family depth width num_layers "
        "n_layers num_heads n_heads horizon lookback context context_length"
    )
)
# W&B, MLflow and pandas write settings and figures under these
_GROUPS = frozenset(
    _listed("params metrics config summary summary_metrics tags attributes hparams data value")
)


def plain(name: str) -> str:
    """Return a name without its groups, in small letters: ``config.Random-Seed``: random_seed."""
    name = name.removesuffix(".value")
    return re.sub(r"[-\s]+", "_", re.split(r"[./]", name)[-1].strip().casefold())


def words(name: str) -> frozenset[str]:
    """Return the words of a name: ``rocAuc_test`` has roc, auc and test."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return frozenset(re.findall(r"[a-z²]+\d*|\d+", split.casefold()))


def is_setting(name: str) -> bool:
    """Tell whether a column holds what a run was given: by its group or its usual name."""
    return plain(name) in SETTINGS or bool(_above(name) & {"config", "params", "hparams"})


def is_result(name: str) -> bool:
    """Tell whether a column stands in a tracker's group of results."""
    return bool(_above(name) & {"metrics", "summary", "summary_metrics"})


def _above(name: str) -> frozenset[str]:
    """Return the groups that a column stands in."""
    return frozenset(name.casefold().split(".")[:-1])


def candidates(name: str, names: Collection[str]) -> list[str]:
    """Return the columns that a name can mean.

    It is the one of that name; else those whose name ends in it after a point or slash
    (``params`` means ``config.params``), directly under a tracker's group first; else those that
    differ in capitals only. W&B writes ``config.params.value``.
    """
    if name in names:
        return [name]
    bare = {n: n.removesuffix(".value") for n in names}
    ending = [n for n in names if bare[n].endswith((f".{name}", f"/{name}"))]
    direct = [n for n in ending if bare[n][: -len(name) - 1].casefold() in _GROUPS]
    folded = [n for n in names if n.strip().casefold() == name.strip().casefold()]
    return direct or ending or folded


def column_meant(name: str, names: Sequence[str], place: str, option: str = "") -> str:
    """Return the column that a name means; ``option`` says how another is named, in words.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    found = candidates(name, names)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{place} has no column {name!r} but {len(found)} that end so: {', '.join(found)}.",
            hint="name one of them in full",
        )
    hint = did_you_mean(name, [n for n in names if n])
    hint = f"{hint} {option}".strip()
    raise DataError(f"{place} has no column {name!r}.", hint=hint)


def of_kind(names: Sequence[str], kind: Sequence[str]) -> list[str]:
    """Return the columns with one of the usual names, in the order of those.

    W&B's own columns (``_step``, ``_timestamp``) begin with an underscore: its step counts, its
    time stamps are those of logging.
    """
    own = {name: plain(name).removeprefix("_") if plain(name) == "_step" else plain(name)
           for name in names}  # fmt: skip
    return sorted((n for n in names if own[n] in kind), key=lambda n: kind.index(own[n]))
