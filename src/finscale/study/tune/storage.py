"""Where trials are kept for Optuna's own tools: a journal file, or a database by its URL.

Only the coordinator writes here; workers write runs. A trial is added whole, with its settings, so
a process that is killed leaves none half-asked.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finscale.errors import FinscaleError, missing_extra
from finscale.hidden import hide_in_query
from finscale.study.tune.asking import distribution, native, optuna
from finscale.study.tune.space import Dimension
from finscale.study.tune.trials import SearchTrial

#: The journal, in a study's folder.
JOURNAL = Path("tune") / "journal.log"
_STATES = {
    "running": "RUNNING",
    "complete": "COMPLETE",
    "stopped": "PRUNED",
    "diverged": "FAIL",
    "impossible": "FAIL",
}
#: Kept with each trial beside what Optuna knows of it.
_FACTS = (
    "round",
    "together",
    "forced",
    "state",
    "epochs",
    "runs",
    "flops",
    "reason",
    "losses",
    "value",
)
#: Those of them that are known before it runs.
_BEFORE = ("round", "together", "forced", "epochs")


def open_storage(where: str | Path) -> Any:
    """Return Optuna's storage: of a URL the database, of a path the journal file.

    Raises
    ------
    FinscaleError
        If it cannot be opened: no such server, no driver, a folder that cannot be written.
    """
    library, text = optuna(), str(where)
    if "://" not in text:
        path = Path(where)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # a lock by open() works on shared folders and on file systems without links
            backend = library.storages.journal.JournalFileBackend(
                str(path), lock_obj=library.storages.journal.JournalFileOpenLock(str(path))
            )
            return library.storages.JournalStorage(backend)
        except OSError as error:
            raise FinscaleError(
                f"{path} cannot be written: {error.strerror or error}.",
                hint="give another folder with --studies, or a database with --storage URL",
            ) from None
    scheme, _, rest = text.partition("://")
    if scheme in ("postgres", "postgresql"):
        if importlib.util.find_spec("psycopg") is None:
            raise missing_extra("psycopg", "tune")
        text = f"postgresql+psycopg://{rest}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return library.storages.RDBStorage(text, skip_compatibility_check=False)
    except Exception as error:
        # a driver's message may hold the password of the URL
        said = (f"{error}".splitlines() or [""])[0]
        first = "" if "@" in said or "passw" in said.lower() else said.rstrip(".")
        raise FinscaleError(
            f"the storage {without_password(str(where))} cannot be opened"
            f"{': ' + first if first else ''}.",
            hint="postgresql://user@host/database, sqlite:///file.db, or none for a journal file",
        ) from None


def without_password(url: str) -> str:
    """Return a URL as it may be printed.

    Examples
    --------
    >>> without_password("postgresql://me:secret@host/db")
    'postgresql://me:…@host/db'
    >>> without_password("postgresql://host/db?user=me&password=secret")
    'postgresql://host/db?user=me&password=***'
    """
    url = hide_in_query(url)
    scheme, mark, rest = url.partition("://")
    account, at, host = rest.rpartition("@")
    if not at or ":" not in account:
        return url
    return f"{scheme}{mark}{account.partition(':')[0]}:…@{host}"


class TrialLog:
    """The trials of one search in a storage.

    Parameters
    ----------
    storage : optuna storage
        Of :func:`open_storage`.
    name : str
        The search's, which tells its settings: another space is another search.
    """

    def __init__(self, storage: Any, name: str) -> None:
        self.name = name
        self._study = optuna().create_study(
            storage=storage,
            study_name=name,
            direction="minimize",
            load_if_exists=True,
            # never asked: settings come from elsewhere
            sampler=optuna().samplers.RandomSampler(),
        )
        self._ids: dict[int, int] = {}

    def read(self) -> list[SearchTrial]:
        """Return every trial, in the order of their numbers."""
        found = []
        for trial in self._study.get_trials(deepcopy=False):
            self._ids[trial.number] = trial._trial_id
            # one that was cut off while it was told has not ended
            names = _FACTS if trial.state.is_finished() else _BEFORE
            facts = {name: trial.user_attrs[name] for name in names if name in trial.user_attrs}
            if not trial.state.is_finished():
                # what was reported of it before its coordinator was killed
                curve = sorted(trial.intermediate_values.items())
                facts["losses"] = [loss for epoch, loss in curve if epoch <= len(curve)]
            for name in ("runs", "losses"):
                facts[name] = tuple(facts.get(name, ()))
            params = {key: float(value) for key, value in trial.params.items()}
            found.append(SearchTrial(trial.number, params, notes=dict(trial.system_attrs), **facts))
        return found

    def add(self, trial: SearchTrial, dims: Sequence[Dimension]) -> None:
        """Add a trial that is about to run.

        Raises
        ------
        FinscaleError
            If another process has added one of its number.
        """
        library = optuna()
        known = {dim.key: dim for dim in dims if dim.key in trial.params}
        params = {key: native(dim, trial.params[key]) for key, dim in known.items()}
        kinds = {key: _wide_enough(dim, params[key]) for key, dim in known.items()}
        frozen = library.trial.create_trial(
            state=library.trial.TrialState.RUNNING,
            params=params,
            distributions=kinds,
            user_attrs={name: getattr(trial, name) for name in _BEFORE},
            system_attrs=dict(trial.notes),
        )
        frozen.datetime_start = dt.datetime.now()
        self._study.add_trial(frozen)
        number = len(self._study.get_trials(deepcopy=False)) - 1
        if number != trial.number:
            raise FinscaleError(
                f"another process is at the search {self.name} in the same storage.",
                hint="wait for it, or give this study another name",
            )
        self._ids[number] = self._study.get_trials(deepcopy=False)[number]._trial_id

    def report(self, number: int, epoch: int, loss: float) -> None:
        """Show the loss of an epoch while a trial is at work."""
        self._study._storage.set_trial_intermediate_value(self._ids[number], epoch, loss)

    def tell(self, trial: SearchTrial) -> None:
        """Record how a trial ended."""
        storage, place = self._study._storage, self._ids[trial.number]
        for epoch, loss in enumerate(trial.losses, 1):
            storage.set_trial_intermediate_value(place, epoch, loss)
        for name in _FACTS:
            value: Any = getattr(trial, name)
            storage.set_trial_user_attr(
                place, name, list(value) if isinstance(value, tuple) else value
            )
        state = getattr(optuna().trial.TrialState, _STATES[trial.state])
        values = [trial.value] if trial.state == "complete" else None
        storage.set_trial_state_values(place, state, values)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Keep facts of the whole search where the dashboard shows them."""
        for name, value in facts.items():
            self._study.set_user_attr(name, value)

    @property
    def study(self) -> Any:
        """Optuna's study, for its importances and its dashboard."""
        return self._study


def _wide_enough(dim: Dimension, number: float | int) -> Any:
    """Return the distribution of a dimension; a default outside of its range widens it."""
    from dataclasses import replace

    return distribution(replace(dim, low=min(dim.low, number), high=max(dim.high, number)))
