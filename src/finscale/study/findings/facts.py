"""Facts about a study's runs that no judgement needs: data, audit, learning curves, thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from finscale.audit import Certificate, CheckOutcome, audit
from finscale.evaluation.operating import Sweep
from finscale.evaluation.predictions import Predictions
from finscale.evaluation.scores import probabilities
from finscale.files import null_for_nan, read_json, write_json
from finscale.runs import RunStore
from finscale.study.study import Study


def sweep(chosen: Predictions) -> pl.DataFrame:
    """Return what each threshold finds on test; fewer than ten alarms are luck and left out."""
    test = chosen.test
    swept = Sweep.of(test["target"].to_numpy(), test["logit"].to_numpy())
    kept = swept.count >= 10
    return pl.DataFrame(
        {
            "threshold": probabilities(swept.logit[kept]),
            "precision": swept.precision[kept],
            "recall": swept.recall[kept],
            "flagged": swept.flagged[kept],
        }
    )


def learning(networks: Sequence[Predictions], runs: RunStore, axis: str) -> pl.DataFrame:
    """Return one row a run and epoch: losses, and whether its weights were kept."""
    return pl.concat(
        run.metrics()
        .select("epoch", "train_loss", "validation_loss", "best")
        .with_columns(
            run_id=pl.lit(run.id),
            size=pl.lit(network.sizes[axis]),
            seed=pl.lit(network.seed),
            fold=pl.lit(run.config.split.fold),
        )
        for network in networks
        for run in map(runs.__getitem__, network.runs)
    )


def certificate(study: Study, chosen: Predictions) -> Mapping[str, Any]:
    """Return the leakage certificate; computed once for the same data and the same study.

    Who has read the test set changes from day to day and is looked up anew.
    """
    path = study.folder / "certificate.json"
    subject = {
        "study": study.config.hash(),
        "data": {entry["id"]: entry["sha256"] for entry in study.runs[chosen.runs[0]].info["data"]},
    }
    if path.is_file():
        stored = read_json(path)
        if stored.get("of") == subject:
            return _with_readings(stored, study)
    found = audit(study.config.experiment, data=study.data, runs=study.runs)
    content = {"of": subject, "verdict": found.verdict(), **found.to_dict()}
    write_json(path, null_for_nan(content))
    return content


def _with_readings(stored: Mapping[str, Any], study: Study) -> Mapping[str, Any]:
    """Return a certificate with what is on record today of the test set's readings."""
    fresh = audit(study.config.experiment, data=study.data, runs=study.runs, only=["test reads"])
    outcomes = []
    for check in stored["checks"]:
        known = {name: check[name] for name in ("check", "statement", "mend")}
        lists = {name: tuple(check[name]) for name in ("findings", "unproven")}
        outcomes.append(CheckOutcome(**known, **lists))
    names = [outcome.check for outcome in outcomes]
    outcomes[names.index("test reads")] = fresh["test reads"]
    certificate = Certificate(stored["subject"], tuple(outcomes))
    return {"of": stored["of"], "verdict": certificate.verdict(), **certificate.to_dict()}


def windows(chosen: Predictions, runs: RunStore) -> tuple[Mapping[str, Any], ...]:
    """Return per fold the counts of windows and the days of validation and test."""
    rows = []
    for run in map(runs.__getitem__, chosen.runs):
        fold = run.config.split.fold
        row = {"fold": fold, **run.info["windows"]}
        for split, part in (("validation", chosen.validation), ("test", chosen.test)):
            dates = part.filter(fold=fold)["date"]
            row[f"{split}_days"] = (dates.min(), dates.max())
        rows.append(row)
    return tuple(rows)


def distinct(items: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the distinct ones of some mappings, in order."""
    kept: list[Mapping[str, Any]] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return tuple(kept)
