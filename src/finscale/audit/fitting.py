"""What is fitted may see its own part only: change all else, and its parameters must stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import torch

from finscale.audit.certificate import CheckOutcome
from finscale.audit.evidence import Evidence, channel_scale
from finscale.data.splits import Split
from finscale.data.spread import rows_seen
from finscale.data.windows import FinancialDataset


def examine_fitting(evidence: Evidence) -> CheckOutcome:
    """Refit everything on changed held-out data, and compare the scales that are in use."""
    findings: list[str] = []
    for name, fitted in evidence.fitted.items():
        for fold in evidence.folds:
            if fitted.learns_from == "train":
                moved = _moved(
                    fitted.fit(evidence.dataset, fold),
                    fitted.fit(_changed_outside_train(evidence.dataset, fold), fold),
                )
            else:
                table = _some_predictions(evidence, fold)
                moved = _moved(fitted.fit(table), fitted.fit(_changed_test(table)))
            if moved is not None:
                findings.append(
                    f"{name} is fitted outside {fitted.learns_from} (fold {fold.fold}): {moved} "
                    f"when all other data change"
                )
                break
    findings += _scale_in_use(evidence)
    stored, wrong = _scales_of_runs(evidence)
    findings += wrong
    names = ", ".join(evidence.fitted)
    return CheckOutcome(
        "fitting",
        f"refitted with everything else changed, {len(evidence.folds)} fold"
        f"{'s' * (len(evidence.folds) > 1)}: {names}"
        + ("; parameters identical to the bit" if not findings else "")
        + (f"; scales stored beside weights compared with train rows: {stored}" if stored else ""),
        tuple(findings),
        mend="fit scalers and selections on train rows, calibrators on validation",
    )


def _moved(before: object, after: object) -> str | None:
    left, right = np.asarray(before, np.float64).ravel(), np.asarray(after, np.float64).ravel()
    if left.shape == right.shape and left.tobytes() == right.tobytes():
        return None
    if left.shape != right.shape:
        return f"{left.size} parameters become {right.size}"
    index = int((left != right).argmax())
    return f"parameter {index} goes from {left[index]:.6g} to {right[index]:.6g}"


def _changed_outside_train(dataset: FinancialDataset, fold: Split) -> FinancialDataset:
    """Change every row that no train window sees, and every label that is not train's."""
    seen_R = rows_seen(fold.train, dataset.context_length, dataset.date_R.size)
    factor_R = np.where(seen_R, 1.0, 10.0 + np.arange(seen_R.size) % 7)
    frame = dataset.frame.with_columns(pl.selectors.float() * pl.Series(factor_R))
    target_R = 1 - dataset.target_R.cpu()
    target_R[fold.train] = dataset.target_R.cpu()[fold.train]
    factor = torch.from_numpy(factor_R.astype(np.float32))[:, None]
    rows_RF = dataset.rows_RF.cpu() * factor
    return replace(dataset, frame=frame, rows_RF=rows_RF, target_R=target_R)


def _some_predictions(evidence: Evidence, fold: Split) -> pl.DataFrame:
    """Return predictions as a weak model would make them; test labels are invented."""
    rng = np.random.default_rng(evidence.seed)
    dataset, tables = evidence.dataset, []
    for part, ends in (("validation", fold.validation), ("test", fold.test)):
        known = dataset.targets(ends).astype(np.float64)
        target = known if part == "validation" else rng.permutation(np.arange(ends.size) % 2)
        table = {
            "date": pl.Series(dataset.dates(ends)),
            "symbol": pl.Series(dataset.symbol_names(ends)),
            "fold": pl.repeat(fold.fold, ends.size, dtype=pl.Int32, eager=True),
            "split": pl.repeat(part, ends.size, dtype=pl.String, eager=True),
            "target": pl.Series(target, dtype=pl.Float32),
            "logit": pl.Series(0.5 * (target - target.mean()) + rng.normal(0, 1, ends.size)),
        }
        tables.append(pl.DataFrame(table))
    return pl.concat(tables)


def _changed_test(table: pl.DataFrame) -> pl.DataFrame:
    in_test = pl.col("split") == "test"
    return table.with_columns(
        target=pl.when(in_test).then(1 - pl.col("target")).otherwise("target"),
        logit=pl.when(in_test).then(3 - 2 * pl.col("logit")).otherwise("logit"),
    )


def _scale_in_use(evidence: Evidence) -> list[str]:
    """Compare a scaled dataset's scale with that of its train rows."""
    dataset = evidence.dataset
    if (dataset.scale_F == 1).all():
        return []
    if any(_same_scale(dataset.scale_F, _train_scale(dataset, fold)) for fold in evidence.folds):
        return []
    expected = _train_scale(dataset, evidence.folds[0])
    channel = int(np.argmax(np.abs(np.log(dataset.scale_F / expected))))
    return [
        f"channel {dataset.features[channel]} is divided by {dataset.scale_F[channel]:.6g}; its "
        f"train rows have a standard deviation of {expected[channel]:.6g}"
    ]


def _scales_of_runs(evidence: Evidence) -> tuple[int, list[str]]:
    """Compare the scale stored beside each run's weights with that of the run's train rows."""
    findings, stored = [], 0
    for run in evidence.runs:
        weights = run.path("model.safetensors")
        if not weights.is_file() or evidence.split is None:
            continue
        from safetensors.numpy import load_file

        fold = next(f for f in evidence.folds if f.fold == run.config.split.fold)
        tensors = load_file(weights)
        stored += 1
        if not _same_scale(tensors["input_scale"], _train_scale(evidence.dataset, fold)):
            findings.append(f"run {run.id} stores an input scale that is not of its train rows")
        if "mean_K" in tensors and not _same_columns(tensors, evidence.dataset, fold):
            findings.append(
                f"run {run.id} has a linear path standardised by other rows than its train windows'"
            )
    return stored, findings


def _train_scale(dataset: FinancialDataset, fold: Split) -> np.ndarray:
    if dataset.mapped:  # its rows were never divided
        return channel_scale(dataset, fold)
    unscaled = replace(
        dataset,
        rows_RF=dataset.rows_RF.cpu() * torch.from_numpy(dataset.scale_F.astype(np.float32)),
        scale_F=np.ones(dataset.num_features),
    )
    return channel_scale(unscaled, fold)


def _same_columns(
    tensors: Mapping[str, np.ndarray], dataset: FinancialDataset, fold: Split
) -> bool:
    """Tell whether a linear path's scale is that of the last rows of its train windows."""
    last_BK = dataset.relative_RK[torch.from_numpy(fold.train)].cpu().numpy().astype(np.float64)
    spread_K = tensors["spread_K"].astype(np.float64)
    off_K = (np.nanmean(last_BK, axis=0) - tensors["mean_K"]) / spread_K
    # a column that is constant on train keeps a spread of 1
    wide_K = np.nanstd(last_BK, axis=0)
    same_K = np.isclose(wide_K, spread_K, rtol=1e-4) | (wide_K < 1e-6)
    return bool((np.abs(off_K) < 1e-4).all() and same_K.all())


def _same_scale(left: np.ndarray, right: np.ndarray) -> bool:
    # scaling and unscaling float32 rows costs their last bits
    return bool(np.allclose(left, right, rtol=1e-5, atol=0))
