"""A study mirrored to trackers: while it runs, or afterwards from its folders alone."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from finscale.config import TrackingConfig
from finscale.errors import FinscaleError, FinscaleWarning
from finscale.files import read_json, write_json
from finscale.hidden import hide_in_text, hide_secrets
from finscale.runs import Run

if TYPE_CHECKING:
    from finscale.study.execution.local import Event
    from finscale.study.planned import Planned
    from finscale.study.study import Study
    from finscale.training.study_trackers import StudyTracker, TrackedRun, TrackedStudy
    from finscale.training.tracking import Status

#: In the study's folder: tracker and project → runs that were sent there.
_SENT = "tracked.json"
#: What of the study's folder goes along: (folder, kinds of file).
_ARTEFACTS = (
    (".", (".html", ".md", ".yaml", ".json", ".parquet")),
    ("figures", (".png", ".svg", ".pdf", ".html")),
    ("tables", (".csv", ".tex", ".md")),
    ("paper", (".pdf", ".md", ".tex", ".bib")),
)


def tracking_of(study: Study) -> TrackingConfig:
    """Return where a study is mirrored to: its own setting, else its experiment's."""
    own: TrackingConfig = study.config.tracking
    return own if is_on(own) else study.config.experiment.tracking


def is_on(config: TrackingConfig) -> bool:
    """Tell whether a tracker is named."""
    return bool(config.mlflow_experiment or config.wandb_project)


class StudyTracking:
    """Mirrors a study: its parent, a child for each finished run, figures and tables at its end.

    A tracker that fails is named in one warning and switched off; the study goes on, and
    ``finscale study track`` sends later what is missing.

    Parameters
    ----------
    study : Study
    config : TrackingConfig, optional
        Where to; as the study's file says when absent.
    strict : bool
        Raise what a tracker raises: where mirroring is all that is wanted.
    """

    def __init__(
        self, study: Study, config: TrackingConfig | None = None, *, strict: bool = False
    ) -> None:
        self.study, self._strict = study, strict
        self.config = config or tracking_of(study)
        self._trackers: dict[str, StudyTracker] = {}
        self._known: dict[str, set[str]] = {}

    def start(self) -> Self:
        """Open the study's parent in each tracker and see which runs are there."""
        from finscale.training.study_trackers import study_trackers

        if not is_on(self.config):
            return self
        self._trackers = study_trackers(self.config)
        about = self._about()
        self._each(lambda name, tracker: tracker.start(about))

        def look(name: str, tracker: StudyTracker) -> None:
            known = tracker.known()
            self._known[name] = self._sent(name) if known is None else known

        self._each(look)
        return self

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the trackers that have not failed."""
        return tuple(self._trackers)

    def add(self, planned: Planned, run: Run) -> None:
        """Send a finished run to each tracker that lacks it."""
        lacking = [name for name in self._trackers if run.id not in self._known[name]]
        if not lacking:
            return
        tracked = tracked_run(planned, run)

        def send(name: str, tracker: StudyTracker) -> None:
            if name in lacking:
                tracker.add(tracked)
                self._known[name].add(run.id)

        self._each(send)

    def observe(self, event: Event, planned: Planned) -> None:
        """Send a run as soon as it is done."""
        if event.kind == "done" and self._trackers:
            self.add(planned, self.study.runs[planned.run_id])

    def add_all(self, tell: Callable[[int, int], object] = lambda done, total: None) -> None:
        """Send every finished run of the study and its controls that a tracker lacks."""
        every = [*self.study.completed()]
        for control in self.study.controls.values():
            every += control.completed()
        for number, (planned, run) in enumerate(every):
            tell(number, len(every))
            self.add(planned, run)
        tell(len(every), len(every))

    def finish(self, status: Status = "finished") -> None:
        """Send what is missing and what came of the study, figures and tables; close the parent."""
        if not self._trackers:
            return
        if status != "killed":
            self.add_all()
        about = self._about(results=status != "killed")
        self._each(lambda name, tracker: tracker.finish(about, status))
        record = {self._place(name): sorted(known) for name, known in self._known.items()}
        if record:
            before = self._record()
            write_json(self.study.folder / _SENT, {**before, **record})
        self._trackers = {}

    def _place(self, name: str) -> str:
        config = self.config
        return f"{name} {config.mlflow_experiment if name == 'mlflow' else config.wandb_project}"

    def _record(self) -> dict[str, list[str]]:
        path = self.study.folder / _SENT
        return dict(read_json(path)) if path.is_file() else {}

    def _sent(self, name: str) -> set[str]:
        return set(self._record().get(self._place(name), ()))

    def _each(self, action: Callable[[str, StudyTracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                action(name, tracker)
            # whatever a tracker raises, the study is worth more
            except Exception as error:
                del self._trackers[name]
                reason = hide_in_text(f"{error}".strip().partition("\n")[0])
                what = f"{name} failed ({type(error).__name__}: {reason})"
                if self._strict:
                    again = f"finscale study track {self.study.config.name}"
                    raise FinscaleError(
                        f"{what}.", hint=f"what is there stays: {again} goes on"
                    ) from None
                warnings.warn(
                    f"{what} and is switched off; the study goes on, and `finscale study track "
                    f"{self.study.config.name}` sends what is missing",
                    FinscaleWarning,
                    stacklevel=3,
                )

    def _about(self, *, results: bool = False) -> TrackedStudy:
        from finscale.training.study_trackers import TrackedStudy

        config, folder = self.study.config, self.study.folder
        hashed = config.hash()
        content = hide_secrets({"hash": hashed, **config.resolved()})
        if not results:
            return TrackedStudy(config.name, content, tags={"finscale.hash": hashed})
        verdict = _verdict(folder)
        sentence = str(verdict.get("sentence", ""))
        tags = {"finscale.hash": hashed, **({"verdict": sentence[:5000]} if sentence else {})}
        note = [f"# {config.name}", config.question]
        note += [f"**{sentence}**"] if sentence else []
        note.append(
            f"Registered as `{hashed[:8]}` · {len(self.study.completed())} of "
            f"{len(self.study.plan)} runs · figures, tables and the report are among the artifacts"
        )
        return TrackedStudy(
            config.name,
            content,
            tags=tags,
            note="\n\n".join(part for part in note if part),
            metrics=dict(_numbers(verdict)),
            files=dict(_artefacts(folder)),
        )


def tracked_run(planned: Planned, run: Run) -> TrackedRun:
    """Return a finished run as trackers show it; its test loss as its training left it."""
    from finscale.judging.gather import test_loss
    from finscale.training.study_trackers import TrackedRun

    info, cell = run.info, planned.cell
    finished = dt.datetime.fromisoformat(info["finished"]).timestamp()
    history: list[tuple[int, dict[str, float]]] = []
    if "metrics.parquet" in info.get("files", {}):
        history = [
            (
                int(row["epoch"]),
                {
                    "train/loss": row["train_loss"],
                    "validation/loss": row["validation_loss"],
                    "train/learning_rate": row["learning_rate"],
                    "train/samples_per_second": row["samples_per_second"],
                },
            )
            for row in run.metrics().to_dicts()
        ]
    training = info.get("training", {})
    found = {
        "test/loss": test_loss(run),
        "validation/best_loss": training.get("best_validation_loss"),
        "parameters": info["parameters"].get("total"),
        "train/samples": training.get("samples"),
        "train/flops": training.get("flops"),
        "seconds": info["seconds"],
    }
    model = info["config"]["model"]
    return TrackedRun(
        run_id=run.id,
        name=f"{cell.family} {cell.label}".strip(),
        config=hide_secrets(info),
        history=history,
        metrics={
            name: float(value)
            for name, value in found.items()
            if value is not None and math.isfinite(value)
        },
        tags={
            "model": str(model.get("name") or model["kind"]),
            "control": info["config"]["task"].get("control", "none"),
        },
        started=finished - float(info["seconds"]),
        finished=finished,
    )


def _verdict(folder: Path) -> dict[str, Any]:
    path = folder / "law.json"
    return (read_json(path).get("verdict") or {}) if path.is_file() else {}


def _numbers(verdict: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the verdict's own numbers, one level deep; what was asked is among the parameters."""
    for name, value in verdict.items():
        if name == "statement":
            continue
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for part, number in inner:
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if is_number and math.isfinite(number):
                yield f"verdict/{name}{'/' if part else ''}{part}", float(number)


def _artefacts(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, kinds in _ARTEFACTS:
        inner = folder / name
        for path in sorted(inner.iterdir()) if inner.is_dir() else ():
            if path.is_file() and path.suffix in kinds and path.name[0] != ".":
                yield path.relative_to(folder).as_posix(), path
