"""``finscale study track``: a study's runs, figures and tables in MLflow and Weights & Biases."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from finscale.cli.options import (
    RUNS,
    AsJson,
    DataRoot,
    Quiet,
    RunsFolder,
    Settings,
    console,
    print_json,
    progress_bar,
    say,
)
from finscale.cli.study_file import STUDIES, StudiesFolder, StudyFile, open_study
from finscale.cli.study_tables import study_app

__all__ = ["study_app"]


@study_app.command("track")
def track(
    config: StudyFile,
    mlflow_experiment: Annotated[
        str | None, typer.Option(help="Experiment in MLflow, made if it is new.")
    ] = None,
    mlflow_tracking_uri: Annotated[
        str | None,
        typer.Option(help="MLflow's server or database: http://host:5000, sqlite:///mlflow.db."),
    ] = None,
    wandb_project: Annotated[str | None, typer.Option(help="Project in W&B.")] = None,
    wandb_mode: Annotated[
        Literal["online", "offline"] | None,
        typer.Option(help="offline writes files alone, which `wandb sync` uploads later."),
    ] = None,
    settings: Settings = None,
    runs: RunsFolder = RUNS,
    studies: StudiesFolder = STUDIES,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Mirror a study that ran without trackers: a parent, a child a run, figures and tables.

    Nothing is computed. Runs that are there already stay: a second call sends what is missing and
    renews the parent. Make the report first (`study report`), or the parent has none.
    """
    from finscale.study.tracked import StudyTracking, tracking_of

    study = open_study(config, settings, runs, studies, data_root)
    asked: dict[str, Any] = {
        "mlflow_experiment": mlflow_experiment,
        "mlflow_tracking_uri": mlflow_tracking_uri,
        "wandb_project": wandb_project,
        "wandb_mode": wandb_mode,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    where = tracking_of(study).model_copy(update=given)
    from finscale.training.study_trackers import study_trackers

    study_trackers(where)  # refuses where none is named, before anything is read
    silent = quiet or as_json
    tracking = StudyTracking(study, where, strict=True).start()
    names = tracking.active
    with progress_bar(console(quiet=silent, stderr=True), width=24, disable=silent) as bar:
        task = bar.add_task("runs", total=None)
        tracking.add_all(lambda done, total: bar.update(task, completed=done, total=total))
        bar.update(task, description="figures and tables")
        tracking.finish()
    num_runs = len(study.completed())
    places = {
        "mlflow": f"experiment {where.mlflow_experiment} at {where.mlflow_tracking_uri}",
        "wandb": f"project {where.wandb_project} ({where.wandb_mode})",
    }
    if as_json:
        print_json({"study": study.config.name, "runs": num_runs, "trackers": list(names)})
        return
    from finscale.hidden import hide_in_text

    for name in names:
        say(f"{name:<9} {study.config.name}: {num_runs} runs · {hide_in_text(places[name])}")
