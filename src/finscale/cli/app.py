"""All verbs under one roof. Modules imported here import nothing heavy at their top."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from finscale import __version__
from finscale.cli.audit import audit
from finscale.cli.batch_size import find_batch_size
from finscale.cli.controls import controls_app
from finscale.cli.data import data_app
from finscale.cli.evaluate import evaluate
from finscale.cli.examples import EXAMPLES
from finscale.cli.export import export
from finscale.cli.features import features_app
from finscale.cli.law import law_app
from finscale.cli.law_curve import curve
from finscale.cli.law_decide import decide
from finscale.cli.law_isoflop import isoflop
from finscale.cli.law_power import power
from finscale.cli.law_predict import predict as predict_law
from finscale.cli.law_score import score
from finscale.cli.model import model_app
from finscale.cli.plan import plan
from finscale.cli.predict import predict
from finscale.cli.programme import programme_app
from finscale.cli.runs import runs_app
from finscale.cli.series import series_app
from finscale.cli.study_track import study_app
from finscale.cli.train import train
from finscale.cli.tune import tune_app
from finscale.cli.universe import universe_app
from finscale.cli.verify import verify


class _Verbs(TyperGroup):
    """The verbs; on Ctrl-C typer exits with 130 in silence, so a message is printed here."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # of several processes that train one model the first one speaks
            if os.environ.get("RANK", "0") == "0":
                sys.stderr.write("\nstopped; the same command goes on from the last resume point\n")
            raise typer.Exit(130) from None
        except typer.BadParameter as error:
            # how typer's own checks begin is nobody's business
            error.message = error.message.removeprefix("Value error, ")
            raise
        except BrokenPipeError:
            # typer would call it a failure; what is in the buffer raises again, in main
            raise typer.Exit(0) from None


app = typer.Typer(
    cls=_Verbs,
    name="finscale",
    help="Measure whether scale pays on financial time series.",
    epilog="First steps: finscale train threshold_1pct --budget 250k, or a study: finscale study "
    "run sp500_parameters --quick. Each verb's own help ends with an example: finscale train -h",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"finscale {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Measure whether scale pays on financial time series."""
    from finscale.plugins import load_plugins

    load_plugins()


law_app.command("predict")(predict_law)
law_app.command()(score)
law_app.command()(curve)
law_app.command()(isoflop)
law_app.command()(decide)
law_app.command()(power)

app.command(rich_help_panel="Train")(train)
app.command("find-batch-size", rich_help_panel="Train")(find_batch_size)
app.add_typer(model_app, name="model", rich_help_panel="Train")
app.add_typer(runs_app, name="runs", rich_help_panel="Train")
app.command(rich_help_panel="Use")(predict)
app.command(rich_help_panel="Use")(export)
app.command(rich_help_panel="Judge")(evaluate)
app.command(rich_help_panel="Judge")(audit)
app.add_typer(study_app, name="study", rich_help_panel="Scale")
app.add_typer(programme_app, name="programme", rich_help_panel="Scale")
app.add_typer(tune_app, name="tune", rich_help_panel="Scale")
app.add_typer(law_app, name="law", rich_help_panel="Scale")
app.command(rich_help_panel="Scale")(plan)
app.add_typer(controls_app, name="controls", rich_help_panel="Scale")
app.add_typer(data_app, name="data", rich_help_panel="Data")
app.add_typer(universe_app, name="universe", rich_help_panel="Data")
app.add_typer(series_app, name="series", rich_help_panel="Data")
app.add_typer(features_app, name="features", rich_help_panel="Data")
app.command(rich_help_panel="Data")(verify)


def _complete_help(verbs: typer.Typer, above: str = "") -> None:
    """Give every verb its example, and leave to the terminal where a line of help ends.

    Typer keeps the source's own line ends.
    """
    for verb in verbs.registered_commands:
        paragraphs = (verb.help or inspect.getdoc(verb.callback) or "").split("\n\n")
        name = verb.name or verb.callback.__name__ if verb.callback else ""
        example = EXAMPLES.get(f"{above}{name}", "")
        # a paragraph of its own; typer reads "[" as markup, and no example has one
        verb.help = "\n\n".join(text.replace("\n", " ") for text in paragraphs)
        verb.epilog = f"Example: {example}" if example else None
    for group in verbs.registered_groups:
        if group.typer_instance is not None:
            _complete_help(group.typer_instance, f"{group.name} ")


_complete_help(app)
