"""One call: gather the evidence, run every check, hand over the certificate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from finscale.audit.certificate import AuditCheck, Certificate
from finscale.audit.checks import CHECKS
from finscale.audit.evidence import Fitted, collect
from finscale.calling import spoken
from finscale.config import ExperimentConfig, SplitConfig
from finscale.data import DataStore, FinancialDataset, Split
from finscale.features.causality import Computation
from finscale.plugins import load_plugins
from finscale.runs import RunStore


@spoken('audit(ExperimentConfig.from_file("threshold_1pct"))')
def audit(
    subject: ExperimentConfig | FinancialDataset,
    *,
    split: SplitConfig | Sequence[Split] | None = None,
    bars: Mapping[str, pl.DataFrame] | None = None,
    features: Mapping[str, Computation] | None = None,
    fitted: Mapping[str, Fitted] | None = None,
    calendars: Mapping[str, str] | None = None,
    timescale: str | None = None,
    data: DataStore | None = None,
    runs: RunStore | None = None,
    only: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[AuditCheck], None] | None = None,
) -> Certificate:
    """Look for leaks in a dataset, its labels, its splits and what is fitted on them.

    The certificate's ``clean`` is False where a leak was found.
    No test label enters a statistic: what relates channels to labels looks at train and validation.

    Parameters
    ----------
    subject : ExperimentConfig or FinancialDataset
        A config audits its registered dataset and all folds of its split; what is missing and can
        be had without a network is built. A dataset in memory is audited as it is.
    split : SplitConfig or sequence of Split, optional
        The parts. For a dataset alone, the first 60 % of its days train and the next 20 % validate.
    bars : mapping of str to polars.DataFrame, optional
        Symbol → adjusted daily bars with their warm-up, for a dataset in memory.
    features : mapping of str to Computation, optional
        Your own channels: name → expression, or function from bars to one value per row. Declared
        features are known.
    fitted : mapping of str to Fitted, optional
        Your own scalers, selections and calibrators.
    calendars : mapping of str to str, optional
        Symbol → exchange calendar, such as ``XNYS``; registered bars bring theirs.
    timescale : str, optional
        Of the rows of a dataset in memory; daily when absent.
    data : DataStore, optional
        Where the data lie; ``subject.data.root`` when absent.
    runs : RunStore, optional
        Finished runs, for their test reads and stored scales.
    only : sequence of str, optional
        Names of checks; all when absent.
    seed : int
        Of random cuts and noise.
    progress : callable, optional
        Told each check before it begins.

    Raises
    ------
    DataError
        If the data are missing, changed or too short.
    FinscaleError
        If ``only`` names no check.

    Examples
    --------
    ``print(audit(ExperimentConfig(split={"train_end": "2011-12-31", ...})))`` prints what was
    proven about SP500; see docs/leakage.md.
    """
    load_plugins()
    checks = [CHECKS[name] for name in only] if only is not None else list(CHECKS.values())
    evidence = collect(
        subject,
        split=split,
        bars=bars,
        features=features,
        fitted=fitted,
        calendars=calendars,
        timescale=timescale,
        data=data,
        runs=runs,
        seed=seed,
    )
    outcomes = []
    for check in checks:
        if progress is not None:
            progress(check)
        outcomes.append(check.examine(evidence))
    return Certificate(evidence.subject, tuple(outcomes))
