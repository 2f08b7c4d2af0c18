"""Two studies side by side: what differs in what was asked, and in what came out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from finscale.errors import FinscaleError, nearest
from finscale.evaluation.targets import score_target
from finscale.files import read_json
from finscale.judging.gather import predictions_of
from finscale.judging.scoring import skill, test_scores
from finscale.runs import Run
from finscale.study.registration import differences


@dataclass(frozen=True)
class StudyRecord:
    """What a study's folder tells without computing anything."""

    name: str
    hash: str  #: Of the registered study
    study: dict[str, Any]  #: The resolved settings
    verdict: dict[str, Any] | None  #: Of ``law.json``
    results: pl.DataFrame | None  #: One row per run

    @classmethod
    def read(cls, folder: Path) -> StudyRecord:
        """Read ``studies/<name>``.

        Raises
        ------
        FinscaleError
            If the folder holds no registered study.
        """
        path = folder / "registration.json"
        if not path.exists():
            known = [one.parent.name for one in folder.parent.glob("*/registration.json")]
            match = nearest(folder.name, known)
            made = "finscale study run FILE makes one"
            raise FinscaleError(
                f"{folder} holds no registered study.",
                hint=f"Did you mean {match}?" if match else made,
            )
        registered = read_json(path)
        law, results = folder / "law.json", folder / "results.parquet"
        return cls(
            name=folder.name,
            hash=registered["hash"],
            study=registered["study"],
            verdict=read_json(law)["verdict"] if law.exists() else None,
            results=pl.read_parquet(results, glob=False) if results.exists() else None,
        )

    @property
    def outcome(self) -> str:
        """What the study is about, as its file has it."""
        return str(self.study.get("outcome", "loss"))

    def mean_outcomes(self) -> dict[str, float]:
        """Return the outcome of each size, as its verdict has it."""
        if self.verdict is None:
            return {}
        said = self.verdict["statement"]
        sizes = (f"{said['axis']} {size:,.0f}" for size in said["sizes"])
        return dict(zip(sizes, self.verdict["mean"], strict=True))

    def mean_losses(self) -> dict[str, float]:
        """Return the mean test loss of each model: a baseline's name, or a size."""
        if self.results is None:
            return {}
        outcome = score_target(self.results.columns).first
        sizes = sorted(name for name in self.results.columns if name.startswith("size_"))
        means: dict[str, list[float]] = {}
        for row in self.results.iter_rows(named=True):
            place = [row["model"]] if row["role"] == "baseline" else []
            place += [row["family"]] if row.get("family") else []
            place += [f"{size[5:]} {row[size]}" for size in sizes if row[size] is not None]
            means.setdefault(" · ".join(place), []).append(row[outcome])
        return {name: sum(values) / len(values) for name, values in means.items()}


@dataclass(frozen=True)
class StudyDifference:
    """What differs between two studies."""

    settings: tuple[str, ...]  #: ``seeds: [0, 1] → [0, 1, 2]``
    verdicts: tuple[str, str]  #: The sentence of each; what is missing is said
    #: Models that both have: name, mean of each, and the second minus the first.
    losses: tuple[dict[str, Any], ...]
    #: Of what: the test loss; of two studies that are about one other outcome, that outcome.
    what: str = "test loss"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def compare(first: StudyRecord, second: StudyRecord) -> StudyDifference:
    """Return what differs between two studies, in what was asked and in what came out.

    Means are of each study's own test days: where the splits differ they are not paired.
    """
    own, other, what = first.mean_losses(), second.mean_losses(), "test loss"
    if first.outcome == second.outcome != "loss" and first.verdict and second.verdict:
        own, other = first.mean_outcomes(), second.mean_outcomes()
        what = f"test {first.verdict['statement']['measure']['title']}"
    losses = [
        {"model": name, "first": mean, "second": other[name], "change": other[name] - mean}
        for name, mean in own.items()
        if name in other
    ]
    return StudyDifference(
        settings=tuple(differences(_asked(first), _asked(second))),
        verdicts=(_sentence(first), _sentence(second)),
        losses=tuple(losses),
        what=what,
    )


def _asked(record: StudyRecord) -> dict[str, Any]:
    return {key: part for key, part in record.study.items() if key not in ("name", "question")}


def _sentence(record: StudyRecord) -> str:
    if record.verdict is None:
        return "no verdict yet: finscale study report FILE"
    return str(record.verdict["sentence"])


def compare_runs(first: Run, second: Run) -> dict[str, Any]:
    """Return what differs between two runs: settings, scores, and the loss paired by day.

    ``gain`` is the test loss that the second saves over the first, with its 95 % interval; None
    where they do not predict the same of the same windows.
    """
    one, two = predictions_of([first]), predictions_of([second])
    own, other = test_scores(one), test_scores(two)
    columns = ("date", "symbol", "target")
    same = one.target is two.target and one.test.select(columns).equals(two.test.select(columns))
    return {
        "runs": [first.id, second.id],
        "settings": list(differences(first.config.identity(), second.config.identity())),
        "scores": {name: [own[name].value, other[name].value] for name in own if name in other},
        "gain": asdict(skill(two, one)) if same else None,
    }
