"""The file of a study: as it is typed, or found by the name of a study that was run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finscale.cli.options import with_options
from finscale.errors import FinscaleError, nearest

if TYPE_CHECKING:
    from finscale.study import Study

StudyFile = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY",
        help="A study file, such as my_study.yaml; the name of a study that has been run, "
        "my_study; or of a recipe that comes with finscale: sp500_parameters, sp500_first …",
    ),
]
StudiesFolder = Annotated[
    Path, typer.Option("--studies", file_okay=False, help="Folder that holds the studies.")
]
Quick = Annotated[bool, typer.Option("--quick", help="The file's `quick` rehearsal.")]
Amend = Annotated[
    bool, typer.Option("--amend", help="Go on although the file has changed; recorded.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Runs at a time; as many as fit when absent.")
]
STUDIES = Path("studies")
#: What was registered, in a study's folder.
REGISTERED = "study.yaml"


def find_study(given: Path, studies: Path, *, quick: bool = False) -> tuple[Path, bool]:
    """Return the file of a study, and whether its ``quick`` section is still to be laid over it.

    Parameters
    ----------
    given : Path
        A file, a study's folder, or its name; or the name of a recipe.
    studies : Path
        Folder that holds the studies.
    quick : bool
        Whether the rehearsal is meant: of a study that is named, ``<name>_quick``.

    Raises
    ------
    FinscaleError
        If a name is no study's.
    """
    # not at the top: the settings of every network take longer to load than help does to print
    from finscale.config import StudyConfig
    from finscale.config.files import nearest_recipe
    from finscale.config.loading import read_yaml
    from finscale.config.recipes import config_file

    if given.is_dir() and (given / REGISTERED).is_file():
        return given / REGISTERED, False
    if given.exists() or given.suffix or len(given.parts) != 1:
        return given, quick
    name = f"{given}_quick" if quick else str(given)
    if (studies / name / REGISTERED).is_file():
        return studies / name / REGISTERED, False
    if config_file(given) is not None:
        return given, quick
    known = names_of(studies)
    match = nearest(name, known) or nearest_recipe(given, StudyConfig)
    hint = "finscale study list tells those that have been run" if known else ""
    beside = given.with_suffix(".yaml")
    if beside.exists():
        hint = f"Did you mean the file {beside}?"
        if "axes" not in read_yaml(beside) and "experiment" not in read_yaml(beside):
            hint = f"{beside} is one training: finscale train {beside}"
    elif match:
        hint = f"Did you mean {match}?"
    raise FinscaleError(
        f"{name} is no file or recipe, and no study of that name is in {studies}.",
        hint=hint or "finscale study new NAME writes a study file",
    )


def names_of(studies: Path) -> list[str]:
    """Return the names of the studies that have been run."""
    return sorted(path.parent.name for path in studies.glob(f"*/{REGISTERED}"))


def open_study(
    given: Path,
    settings: list[str] | None,
    runs: Path,
    studies: Path,
    data_root: Path | None,
    *,
    quick: bool = False,
) -> Study:
    """Return the study of a file or name with the command line's changes applied."""
    path, quick = find_study(given, studies, quick=quick)
    from finscale.runs import RunStore
    from finscale.study import Study

    changes = with_options(settings, data_root=("experiment.data.root", data_root))
    return Study.from_file(path, changes, quick=quick, studies=studies, runs=RunStore(runs))
