"""Columns across the section, examined on the panel that they were made of."""

from __future__ import annotations

import numpy as np
import polars as pl

from finscale.audit.evidence import Evidence
from finscale.data.cross_section import group_map
from finscale.data.frames import relative_names
from finscale.data.section_features import with_section
from finscale.features.causality import CausalityReport
from finscale.features.section_proof import prove_section

#: Days after which the panel's future is changed; each makes every column of the panel again.
_NUM_CUTS = 3
#: Newest days of the panel that the proof takes; each change makes all columns again.
_NUM_DAYS = 400


def section_reports(evidence: Evidence) -> list[CausalityReport]:
    """Prove the columns that tell of a day's other symbols, on the panel's newest 400 days."""
    dataset = evidence.dataset
    if dataset.cross_section == "none" or dataset.mapped:
        return []
    days = np.unique(dataset.date_R)
    recent = pl.col("date") >= pl.lit(days[-min(_NUM_DAYS, days.size)])
    parts = [evidence.part(symbol).filter(recent) for symbol in dataset.symbols]
    return prove_section(
        [part for part in parts if part.height],
        dataset.cross_section,
        group_map(dataset.symbols, dataset.groups),
        num_cuts=_NUM_CUTS,
        seed=evidence.seed,
    )


def section_differences(evidence: Evidence) -> list[str]:
    """Compare the dataset's columns across the section with those made of its rows again."""
    dataset = evidence.dataset
    if dataset.cross_section == "none" or dataset.mapped:
        return []
    parts = [evidence.part(symbol) for symbol in dataset.symbols]
    names = relative_names(parts[0].columns)
    own = [name for name in dataset.relative if name in parts[0].columns and name not in names]
    again = with_section(
        [part.drop(own) for part in parts],
        names,
        dataset.cross_section,
        group_map(dataset.symbols, dataset.groups),
    )
    found = []
    for symbol, part, expected in zip(dataset.symbols, parts, again, strict=True):
        for name in own:
            left, right = part[name].to_numpy(), expected[name].to_numpy()
            differ = np.flatnonzero(left != right)
            if differ.size:
                day = part["date"][int(differ[0])]
                found.append(
                    f"{symbol}: {name} is {left[differ[0]]:.6g} on {day}, the panel gives "
                    f"{right[differ[0]]:.6g} ({differ.size:,} rows differ)"
                )
    return found
