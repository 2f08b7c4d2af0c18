"""Runs that are left out of a fit or a verdict, by a rule or by name, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from finscale.config.quantities import parse_count
from finscale.errors import FinscaleError
from finscale.scaling.measure import Measure
from finscale.scaling.outliers import (
    Float,
    OutlyingRun,
    outlying_runs,
    outlying_words,
    size_words,
    stand_apart,
)
from finscale.scaling.table import LEFT_OUT, LawTable, read_table

DropRule = Literal["diverged", "outlying"]
#: Rules by which runs may be left out, and whom they leave out.
DROP_RULES: dict[DropRule, str] = {
    "diverged": "far worse than the other seeds of their size",
    "outlying": "far from the other seeds of their size, on either side",
}
assert set(DROP_RULES) == set(get_args(DropRule))


@dataclass(frozen=True)
class DroppedRuns:
    """Which runs rules leave out: a mask ``[n, S]``, and a sentence for each rule that did."""

    mask_nS: NDArray[np.bool_]
    words: tuple[str, ...]


def dropped_runs(
    runs_nS: Float,
    x_nd: Float,
    rules: Sequence[str],
    labels: Sequence[Sequence[object]] = (),
) -> DroppedRuns:
    """Return the runs that rules or names leave out.

    Parameters
    ----------
    runs_nS : array, ``[n, S]``
        Mean loss of each run; NaN where a size lacks a seed.
    x_nd : array, ``[n, d]``
        Sizes, rising.
    rules : sequence of str
        Names of ``DROP_RULES``, or single runs as ``SIZE:SEED`` (``1M:3``; ``1M:20M:3`` where there
        are two axes).
    labels : sequence, ``[n][S]``
        Seeds as the table names them; their places when empty.

    Raises
    ------
    FinscaleError
        For a rule that does not exist, or a run that the table does not have.
    """
    mask_nS = np.zeros(runs_nS.shape, dtype=bool)
    found = stand_apart(runs_nS, trend=x_nd.shape[1] == 1)
    words = []
    for rule in dict.fromkeys(rules):
        if rule in DROP_RULES:
            far_nS = found.distance_nS > 0 if rule == "diverged" else True
            own_nS = found.told_nS & far_nS
            reason = f"{rule}: {DROP_RULES[rule]}"
        else:
            own_nS = _named(rule, runs_nS, x_nd, labels)
            reason = "by name"
        own_nS = own_nS & ~mask_nS
        mask_nS |= own_nS
        if own_nS.any():
            words.append(_count(own_nS, runs_nS, x_nd, labels, reason))
    return DroppedRuns(mask_nS, tuple(words))


def _count(
    own_nS: NDArray[np.bool_],
    runs_nS: Float,
    x_nd: Float,
    labels: Sequence[Sequence[object]],
    reason: str,
) -> str:
    """Say how many of how many runs are left out, which and why."""
    named = [
        f"{size_words(x_nd[n])} seed {labels[n][s] if labels else s}"
        for n, s in np.argwhere(own_nS).tolist()
    ]
    shown = ", ".join(named[:6]) + (f" and {len(named) - 6} more" if len(named) > 6 else "")
    total = int((~np.isnan(runs_nS)).sum())
    noun = "run" if total == 1 else "runs"
    return f"{len(named)} of {total} {noun} ({reason}): {shown}"


def _named(
    name: str, runs_nS: Float, x_nd: Float, labels: Sequence[Sequence[object]]
) -> NDArray[np.bool_]:
    *at, seed = name.split(":")
    if len(at) != x_nd.shape[1]:
        form = ":".join(["SIZE"] * x_nd.shape[1])
        raise FinscaleError(
            f"{name!r} is neither a rule nor a run.",
            hint=f"rules: {', '.join(DROP_RULES)}; a run: {form}:SEED, such as "
            f"{':'.join(size_words(x_nd[-1]).split(' × '))}:0",
        )
    sizes = [_size(part, name) for part in at]
    near_n = (np.abs(x_nd / np.array(sizes) - 1) < 1e-6).all(axis=1)
    if not near_n.any():
        near_n = np.array([size_words(x_d) == size_words(np.array(sizes)) for x_d in x_nd])
    if near_n.sum() != 1:
        known = ", ".join(dict.fromkeys(map(size_words, x_nd)))
        raise FinscaleError(f"{name!r}: there is no such size.", hint=f"sizes: {known}")
    n = int(near_n.argmax())
    there = np.flatnonzero(~np.isnan(runs_nS[n])).tolist()
    own = [str(labels[n][s] if labels else s) for s in there]
    if seed not in own:
        raise FinscaleError(
            f"{name!r}: size {size_words(x_nd[n])} has no seed {seed}.",
            hint=f"its seeds: {', '.join(own)}",
        )
    mask_nS = np.zeros(runs_nS.shape, dtype=bool)
    mask_nS[n, there[own.index(seed)]] = True
    return mask_nS


def _size(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_count(text))
    except ValueError:
        raise FinscaleError(
            f"{name!r}: {text!r} is no size.", hint="write a run as SIZE:SEED, such as 1M:0"
        ) from None


def drops_unfinished(rules: Sequence[str]) -> bool:
    """Tell whether rules leave out runs without a finite loss: a run that blew up for good."""
    return bool(set(rules) & set(DROP_RULES))


@dataclass(frozen=True)
class SettledRuns:
    """Which runs of a grid count: who was left out, and who stands apart and still counts."""

    left_out: tuple[str, ...]
    outlying: tuple[OutlyingRun, ...]

    def sentences(self, left_out: Sequence[str], seeds: str) -> tuple[str, ...]:
        """Return what a verdict has to say of its runs, ``left_out`` by whatever rule."""
        said = [f"Left out: {'; '.join(left_out)}."] if left_out else []
        if seeds == "median":
            said.append("Each size counts with the median of its seeds.")
        if self.outlying:
            said.append(outlying_words(self.outlying))
        return tuple(said)


def settle_runs(
    losses: Float,
    size_G: Float,
    labels: Sequence[Sequence[object]],
    rules: Sequence[str],
    measure: Measure,
) -> tuple[Float, Float, SettledRuns]:
    """Leave runs out of a grid by rules; return losses, sizes, and what became of the runs.

    Parameters
    ----------
    losses : array, ``[G, S]`` or ``[G, S, T]``
        Losses; NaN for a seed that a size lacks.
    size_G : array
        Sizes, rising.
    labels, rules
        As in :func:`dropped_runs`.
    measure : Measure
        What the losses stand for.
    """
    x_G1 = size_G[:, None]
    if rules:
        found = dropped_runs(_runs(losses), x_G1, rules, labels)
        losses, kept_G, gone = without(losses, x_G1, found)
        losses, size_G, x_G1 = losses[kept_G], size_G[kept_G], x_G1[kept_G]
        labels = [own for own, kept in zip(labels, kept_G, strict=True) if kept] if labels else ()
        left_out = (*found.words, *gone)
    else:
        left_out = ()
    apart = outlying_runs(_runs(losses), x_G1, labels)
    shown = tuple(replace(run, loss=float(measure.shown(run.loss))) for run in apart)
    return losses, size_G, SettledRuns(left_out, shown)


def _runs(losses: Float) -> Float:
    return losses if losses.ndim == 2 else np.asarray(losses.mean(axis=2))


def read_runs(
    source: Any,
    *,
    drop: Sequence[str] = (),
    seeds: Literal["mean", "median"] = "mean",
    **reading: Any,
) -> LawTable:
    """Read a table as :func:`read_table` does, without the runs that rules leave out.

    Parameters
    ----------
    source : path, data frame or mapping
        The table.
    drop : sequence of str
        As in :func:`drop_runs`; a rule also leaves out runs without a finite loss.
    seeds : {"mean", "median"}
        What a size's loss is: over its seeds.
    **reading
        What :func:`read_table` is told.
    """
    table = read_table(source, unfinished=drops_unfinished(drop), **reading)
    return with_seeds(drop_runs(table, drop), seeds)


def drop_runs(table: LawTable, rules: Sequence[str]) -> LawTable:
    """Return a table without the runs that rules or names leave out, which its notes count.

    A size that loses every run is gone; the notes say so.

    Raises
    ------
    FinscaleError
        As :func:`dropped_runs` does; or if fewer than two sizes would be left.
    """
    if not rules:
        return table
    found = dropped_runs(table.runs_nS, table.x_nd, rules, table.labels)
    losses_nST, kept_n, gone = without(table.losses_nST, table.x_nd, found)
    words = tuple(f"{LEFT_OUT}{one}" for one in (*found.words, *gone))
    if not found.words:
        words = (f"{LEFT_OUT}no run ({', '.join(rules)})",)
    kept = table.rows(kept_n)
    gone_nS = np.isnan(losses_nST[kept_n]).any(axis=-1)
    own: dict[str, Any] = {"losses_nST": losses_nST[kept_n], "notes": (*table.notes, *words)}
    for name, nothing in (("weights_nS", np.nan), ("errors_nS", np.nan), ("groups_nS", -1)):
        if (values_nS := getattr(kept, name)) is not None:
            own[name] = np.where(gone_nS, nothing, values_nS).astype(values_nS.dtype)
    return replace(kept, **own)


def with_seeds(table: LawTable, seeds: Literal["mean", "median"]) -> LawTable:
    """Return a table whose sizes count with the mean or the median of their seeds.

    Raises
    ------
    FinscaleError
        If a median is asked of runs that have weights.
    """
    if seeds == "median" and table.weights_nS is not None:
        raise FinscaleError(
            "a median over seeds has no weights.", hint="leave --weights or --seeds median away"
        )
    return table if seeds == table.seeds else replace(table, seeds=seeds)


def without(
    losses: Float, x_nd: Float, found: DroppedRuns
) -> tuple[Float, NDArray[np.bool_], tuple[str, ...]]:
    """Return losses with NaN for runs left out, the sizes that still have one, and who has none.

    Parameters
    ----------
    losses : array, ``[n, S]`` or ``[n, S, T]``
        Losses of each run.
    x_nd : array, ``[n, d]``
        Sizes.
    found : DroppedRuns
        Who is left out.
    """
    losses = np.array(losses, dtype=np.float64)
    had_n = _has_run(losses)
    losses[found.mask_nS] = np.nan
    has_n = _has_run(losses)
    if has_n.sum() < 2:
        raise FinscaleError(
            "with those runs left out, fewer than two sizes have a run.",
            hint="a law needs several sizes, four at the least",
        )
    gone = [size_words(x_d) for x_d in x_nd[had_n & ~has_n]]
    return losses, has_n, tuple(f"size {size}, which has no other run" for size in gone)


def _has_run(losses: Float) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(losses).reshape(len(losses), -1).any(axis=1))
