"""Laws, verdicts and plans from a table of sizes and losses: numbers in, numbers out.

Names are loaded on first use; nothing here knows that torch exists.
"""

from __future__ import annotations

from finscale.lazy import lazy_names

_HOMES = {
    "SizeCovariance": "finscale.scaling.covariance",
    "size_covariance": "finscale.scaling.covariance",
    "VERDICTS": "finscale.scaling.decision",
    "Measure": "finscale.scaling.measure",
    "Verdict": "finscale.scaling.verdict",
    "decide": "finscale.scaling.verdict",
    "StudyDesign": "finscale.scaling.verdict_power",
    "study_power": "finscale.scaling.verdict_power",
    "FORMS": "finscale.scaling.forms",
    "Form": "finscale.scaling.forms",
    "BatchFit": "finscale.scaling.batch",
    "fit_batch": "finscale.scaling.batch",
    "compare_forms": "finscale.scaling.form_comparison",
    "compare_approaches": "finscale.scaling.approaches",
    "IsoFlop": "finscale.scaling.isoflop_result",
    "fit_isoflop": "finscale.scaling.isoflop",
    "Extrapolation": "finscale.scaling.extrapolation",
    "score_extrapolation": "finscale.scaling.extrapolation",
    "Prediction": "finscale.scaling.prediction",
    "LearningCurves": "finscale.scaling.learning_curve",
    "fit_learning_curves": "finscale.scaling.learning_curve",
    "Fit": "finscale.scaling.fit",
    "fit_form": "finscale.scaling.fit",
    "Problem": "finscale.scaling.problem",
    "Curves": "finscale.scaling.curves",
    "fit_curves": "finscale.scaling.curves",
    "fixed": "finscale.scaling.forms.fixed",
    "Law": "finscale.scaling.law",
    "fit_law": "finscale.scaling.law",
    "LawTable": "finscale.scaling.table",
    "read_table": "finscale.scaling.table",
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
