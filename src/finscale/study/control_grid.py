"""A study's controls as studies of their own: the same grid, smaller, on other labels.

What a control does to the labels is declared here; how its finished runs are judged, in
``finscale.study.control_runs``.
"""

from __future__ import annotations

from dataclasses import dataclass

from finscale.config import StudyConfig, TaskConfig
from finscale.config.redraws import REDRAWS
from finscale.registry import Registry
from finscale.study.axes import largest, nominal

_NUM_SIZES, _NUM_SEEDS = 4, 2


@dataclass(frozen=True)
class ControlKind:
    """One kind of control."""

    task: str  #: What it does to the labels: ``task.control`` of its runs
    label: str  #: The same in words
    across: str = ""  #: The same of a task that compares the symbols of a day, where it is another

    def said(self, task: TaskConfig) -> str:
        """Return what it does to the labels of a task."""
        return (self.across or self.label) if task.is_cross_sectional else self.label


CONTROL_KINDS: Registry[ControlKind] = Registry("control")
CONTROL_KINDS.add(
    "permuted_labels",
    ControlKind(
        "permuted",
        "labels shuffled within calendar quarters",
        across="labels shuffled among each day's members",
    ),
)
CONTROL_KINDS.add(
    "planted_signal",
    ControlKind("planted", "labels drawn from a known function of the last 21 bars"),
)


def control_study(study: StudyConfig, kind: str) -> StudyConfig:
    """Return a control as a study of its own: fewer sizes and seeds, other labels."""
    (axis, sizes), *others = study.axes.items()
    smallest = sorted(sizes, key=lambda size: nominal(axis, size))[:_NUM_SIZES]
    control = CONTROL_KINDS[kind]
    labels = {"control": control.task, "control_strength": study.controls.strength}
    task = study.experiment.task.model_copy(update=labels)
    changes = {
        "name": kind,
        "question": control.said(task),
        "experiment": study.experiment.model_copy(update={"task": task}),
        "axes": {
            axis: study.controls.sizes or smallest,
            **{other: (largest(other, sizes),) for other, sizes in others},
        },
        **{one.plural: getattr(study, one.plural)[:1] for one in REDRAWS},
        "seeds": study.controls.seeds or study.seeds[:_NUM_SEEDS],
        "controls": {},
        "tuning": {"rule": "fixed" if study.tuning.rule == "fixed" else "transfer"},
        "baselines": tuple(dict.fromkeys(("base_rate", *study.baselines))),
        "quick": {},
    }
    return StudyConfig.model_validate({**dict(study), **changes})
