"""What a prediction's inputs have in them that training did not see."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from finscale.config.universes import symbols_in_words
from finscale.data import calendar
from finscale.data.timescales import TIMESCALES
from finscale.errors import DataError
from finscale.experiment.model_inputs import rows_array
from finscale.features import declared_features

if TYPE_CHECKING:
    from finscale.experiment.new_bars import NewBars
    from finscale.experiment.trained_run import TrainedRun

#: Sessions that bars may lack before they are called old.
_FRESH = 3
#: Columns and gaps that a warning names.
_NAMED = 4
#: Bars after which no column remembers where the history began.
_FADED = 1_000


@dataclass(frozen=True, eq=False)
class BeyondTraining:
    """Which columns of which windows leave the range that training saw.

    Attributes
    ----------
    columns : tuple of str
        The K relative columns.
    outside_NK : ndarray of bool
        Whether a column lies beyond its least or largest value of the training rows, on any row
        of the window that the network reads.
    clipped_NK : ndarray of bool
        Whether the decision row's column lies beyond the bound at which a linear path cuts it; no
        column where the network has no such path.
    """

    columns: tuple[str, ...]
    outside_NK: NDArray[np.bool_]
    clipped_NK: NDArray[np.bool_]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many columns leave the range in each window."""
        return np.asarray((self.outside_NK | self.clipped_NK).sum(axis=1), dtype=np.int64)

    def newest(self, which: NDArray[np.bool_]) -> list[str]:
        """Return the columns marked in the newest window."""
        return [name for name, marked in zip(self.columns, which[-1], strict=True) if marked]

    def to_dict(self) -> dict[str, Any]:
        """Return what is so of the newest window."""
        share = self.counts[-1] / len(self.columns)
        return {
            "columns": len(self.columns),
            "share": float(share),
            "outside": self.newest(self.outside_NK),
            "clipped": self.newest(self.clipped_NK),
        }


def beyond_training(run: TrainedRun, rows: pl.DataFrame, num_rows: int) -> BeyondTraining | None:
    """Compare the windows of the last rows with what training saw.

    The relative columns are compared, whose values mean the same at any price level; windows of
    levels are normalised one by one and have no range. None where it is not known what training
    saw.
    """
    inputs = run.inputs
    if inputs.range_K is None or not inputs.relative:
        return None
    low_K, high_K = inputs.range_K
    x_RK = rows_array(rows, inputs.relative)
    outside_RK = (x_RK < low_K) | (x_RK > high_K)
    # a window sees L rows: the difference of two running totals
    length = run.config.data.context_length if run.config.data.inputs != "level" else 1
    total_RK = np.vstack([np.zeros((1, x_RK.shape[1]), np.int64), outside_RK.cumsum(axis=0)])
    ends = np.arange(len(x_RK) - num_rows, len(x_RK)) + 1
    outside_NK = total_RK[ends] - total_RK[ends - length] > 0
    return BeyondTraining(inputs.relative, outside_NK, _clipped(run, x_RK[-num_rows:]))


def _clipped(run: TrainedRun, last_NK: NDArray[np.float32]) -> NDArray[np.bool_]:
    scale = run.linear_scale
    if scale is None:
        return np.zeros(last_NK.shape, np.bool_)
    mean_K, spread_K, limit = scale
    return np.asarray(np.abs((last_NK - mean_K) / spread_K) > limit)


def warnings_about(
    run: TrainedRun,
    bars: NewBars,
    rows: pl.DataFrame,
    beyond: BeyondTraining | None,
    *,
    num_rows: int,
    now: dt.datetime | None = None,
) -> list[str]:
    """Return what to be careful of, in sentences, the gravest first."""
    config = run.config
    found = []
    if config.task.control != "none":
        found.append(
            f"run {run.id[:8]} is a control: its labels were {config.task.control}, and its "
            "predictions say nothing of the market."
        )
    split = config.split
    if split.method == "walk_forward" and split.fold < split.folds - 1:
        found.append(
            f"run {run.id[:8]} is fold {split.fold} of 0 … {split.folds - 1}: a later one was "
            "trained on newer bars."
        )
    found += [*_other(run, bars), *_old(bars, now), *_gaps(run, bars, rows, num_rows)]
    found += [*_short(run, bars), *_out_of_range(run, bars, beyond)]
    return found


def _other(run: TrainedRun, bars: NewBars) -> list[str]:
    """Say whether symbol and adjustment are other ones than in training."""
    config, entries = run.config, run.info["data"]
    found = []
    own = [entry for entry in entries if entry["symbol"] == bars.symbol]
    if not own:
        found.append(
            f"the run was trained on {symbols_in_words(config.data)}, not on {bars.symbol}: what "
            "its validation says of calibration and coverage need not hold."
        )
    if bars.is_assumed:
        found.append(
            f"nobody said whose bars these are: they are taken for {bars.symbol}'s, the run's own "
            "(--symbol, or symbol=, says otherwise)."
        )
    trained = (own or entries)[0]["adjustment"]
    if bars.adjustment and trained and bars.adjustment != trained:
        found.append(
            f"{bars.symbol}: prices are adjusted as {bars.adjustment}, those of training as "
            f"{trained}."
        )
    return found


def _old(bars: NewBars, now: dt.datetime | None) -> list[str]:
    """Say how many finished sessions lie after the last bar, or that its own is not over."""
    last = bars.frame["date"][-1]
    now = now or dt.datetime.now(dt.UTC)
    zone = bars.calendar
    try:
        until = calendar.unfinished(zone, now) - dt.timedelta(1)
        if last > until:
            return [
                f"{bars.symbol}: the session of {last} is not over: its bar is not yet what the "
                "run was trained on."
            ]
        if zone == calendar.NONE:
            missing, unit = max(0, int(np.busday_count(last, until))), "weekdays"
        else:
            missing = (
                len(calendar.sessions(zone, last + dt.timedelta(1), until)) if until > last else 0
            )
            unit = f"sessions of {zone}"
    except DataError:
        return []
    if missing <= _FRESH:
        return []
    return [f"{bars.symbol}: the newest bar is of {last}, {missing:,} {unit} ago."]


def _gaps(run: TrainedRun, bars: NewBars, rows: pl.DataFrame, num_rows: int) -> list[str]:
    """Name the sessions that the predicted windows lack."""
    if bars.calendar == calendar.NONE or bars.ready:
        return []
    first = rows["date"][max(0, rows.height - num_rows - run.config.data.context_length + 1)]
    dates = bars.frame.filter(pl.col("date") >= first)["date"].to_list()
    try:
        gaps = calendar.gaps(dates, bars.calendar)
    except DataError:
        return []
    if not gaps:
        return []
    number = sum(gap.sessions for gap in gaps)
    named = ", ".join(map(str, gaps[-_NAMED:]))
    more = f" and {len(gaps) - _NAMED} gaps before" if len(gaps) > _NAMED else ""
    one = number == 1
    return [
        f"{bars.symbol}: {number:,} session{'' if one else 's'} of {bars.calendar} "
        f"{'has' if one else 'have'} no bar, {named}{more}; the windows go on over "
        f"{'it' if one else 'them'}."
    ]


def _short(run: TrainedRun, bars: NewBars) -> list[str]:
    """Say which columns depend on bars before the first one."""
    entries = [entry for entry in run.info["data"] if entry["symbol"] == bars.symbol]
    first = bars.frame["date"][0]
    if bars.ready or (entries and first <= _first_bar(run, entries[0])):
        return []
    carried = [
        name
        for name, feature in declared_features(run.inputs.columns).items()
        if feature.recursive or feature.sessions > 1 or feature.timescale
    ]
    said = []
    if carried and bars.frame.height < _FADED:
        named = ", ".join(carried[:_NAMED]) + (" …" if len(carried) > _NAMED else "")
        said.append(
            f"{bars.symbol}: the bars begin on {first}; {len(carried)} columns carry on from the "
            f"first bar ({named}) and differ from those of a longer history."
        )
    if TIMESCALES[run.config.data.timescale].sessions > 1:
        said.append(
            f"{bars.symbol}: the bars begin on {first}, from which bars of "
            f"{run.config.data.timescale} are counted: they may end on other days than in training."
        )
    return said


def _first_bar(run: TrainedRun, entry: dict[str, Any]) -> dt.date:
    """Return the date of the first bar behind a dataset, or of its first row if not at hand."""
    for key in entry["parents"]:
        name, _, version = key.partition("@")
        if run.data.raw.has(name):
            try:
                first: dt.date = run.data.raw.get(name, version).first_date
                return first
            except DataError:
                continue
    return dt.date.fromisoformat(str(entry["first_date"]))


def _out_of_range(run: TrainedRun, bars: NewBars, beyond: BeyondTraining | None) -> list[str]:
    if beyond is None:
        return [
            f"run {run.id[:8]} does not say which values training saw, and its data are not here: "
            "whether the inputs leave that range is not known."
        ]
    outside, clipped = beyond.newest(beyond.outside_NK), beyond.newest(beyond.clipped_NK)
    found = []
    if outside:
        found.append(
            f"{bars.symbol}: {_count(outside, beyond)} outside the range of training within the "
            f"newest window: {_listed(outside)}."
        )
    if clipped:
        found.append(
            f"{bars.symbol}: {_count(clipped, beyond)} cut at the linear path's bound in the "
            f"newest row: {_listed(clipped)}."
        )
    return found


def _count(names: list[str], beyond: BeyondTraining) -> str:
    return f"{len(names)} of {len(beyond.columns)} columns {'is' if len(names) == 1 else 'are'}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
