"""What a judgement leaves on disk: one file a model, and one of the comparison of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from finscale.config import content_hash
from finscale.evaluation.comparison import Comparison
from finscale.evaluation.evaluation import plain_rows
from finscale.files import null_for_nan, write_json
from finscale.judging.judge import Judgement, ModelRuns, model_id, model_title


def write_judgement(judgement: Judgement, folder: Path) -> Path:
    """Write ``evaluation.json`` under ``folder/<run-id>``; run folders themselves are sealed."""
    path = folder / judgement.id / "evaluation.json"
    write_json(path, judgement.to_json(), flush=False)  # made again from the runs in no time
    return path


def write_comparison(models: Sequence[ModelRuns], comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison-<hash>.json``, the hash that of the ids compared."""
    titles = {model_id(runs): model_title(runs) for runs in models}
    confidence = comparison.confidence
    content = {
        "models": titles,
        "compared_with": comparison.best,
        "pairs": plain_rows(comparison.pairs),
        "confidence_set": None if confidence is None else asdict(confidence),
        "superior": {name: asdict(value) for name, value in comparison.superior.items()},
    }
    path = folder / f"comparison-{content_hash(sorted(titles))[:8]}.json"
    write_json(path, null_for_nan(content))
    return path
