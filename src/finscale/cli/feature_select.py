"""``finscale features select``: a tier file of the features that inform most stably."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finscale.cli.options import (
    AsJson,
    ConfigFile,
    DataRoot,
    Settings,
    console,
    plain_table,
    print_json,
    say,
    with_options,
)

_SHOWN = 10


def select(
    config: ConfigFile,
    out: Annotated[Path, typer.Option(help="The tier file to write: my_tier.yaml.")],
    tier: Annotated[str | None, typer.Option(help="Candidates; the file's own tier if absent.")] = (
        None
    ),
    top: Annotated[int, typer.Option(min=1, help="How many features to choose.")] = 50,
    draws: Annotated[int, typer.Option(min=20, help="Draws of blocks of training days.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    settings: Settings = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Choose features by stability, on training rows of the first fold alone.

    Train on them with --set data.tier=my_tier.yaml. The candidates are written into the file as
    trials, and deflated scores count them.
    """
    from finscale.config import ExperimentConfig, load_config
    from finscale.experiment.selection import refuse_place, select_features, write_tier

    refuse_place(out)
    changes = with_options(settings, tier=("data.tier", tier), data_root=("data.root", data_root))
    experiment = load_config(ExperimentConfig, config, changes)
    with console(quiet=as_json, stderr=True).status("weighing the features"):
        found = select_features(experiment, top=top, draws=draws, seed=seed)
    write_tier(found, out)
    if as_json:
        chosen = [
            {"name": n, "frequency": found.frequency[n], "information": found.information[n]}
            for n in found.features
        ]
        print_json({"file": str(out), "features": chosen, "selection": found.facts})
        return
    rows = (
        (name, f"{found.frequency[name]:.0%}", f"{found.information[name]:.4f}")
        for name in found.features[:_SHOWN]
    )
    columns = ("feature", "among the best in", "information (nats)")
    console().print(plain_table(columns, rows, left={"feature"}))
    facts = found.facts
    more = f"; {len(found.features) - _SHOWN} more" if len(found.features) > _SHOWN else ""
    say(
        f"{len(found.features)} of {facts['trials']:,} features{more}; "
        f"{len(found.copies)} near copies left out. "
        f"Weighed on {facts['train_windows']:,} training windows, {facts['first_day']} … "
        f"{facts['last_day']}; the {facts['trials']:,} candidates count as trials."
    )
    say(f"{out}   next: finscale train {config} --set data.tier={out}")
