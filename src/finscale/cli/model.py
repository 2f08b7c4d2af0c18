"""``finscale model``: which networks there are and what a budget buys, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.options import AsJson, console, plain_table, print_json

if TYPE_CHECKING:
    from finscale.models import NetworkDesign

model_app = typer.Typer(help="Show architectures for parameter budgets.", no_args_is_help=True)

Features = Annotated[int, typer.Option(min=1, help="Input channels; tier a20 with OHLCV has 25.")]
ContextLength = Annotated[int, typer.Option(min=2, help="Bars that a window sees.")]
#: Budgets that ``list`` tries, from below: four to a decade.
_TRIED = tuple(round(10 ** (2 + step / 4)) for step in range(29))


@model_app.command("list")
def list_models(
    features: Features = 25, context_length: ContextLength = 80, as_json: AsJson = False
) -> None:
    """List the architectures: name, heads, smallest round budget that can be met, source."""
    from finscale.config import format_count
    from finscale.models import ARCHITECTURES

    facts: list[dict[str, Any]] = [
        {
            "kind": kind,
            "heads": list(architecture.heads),
            "smallest_budget": _smallest_budget(kind, features, context_length),
            "source": architecture.source,
        }
        for kind, architecture in ARCHITECTURES.items()
    ]
    if as_json:
        print_json(facts)
        return
    rows = (
        (kind, ", ".join(heads), "" if least is None else format_count(least), source)
        for kind, heads, least, source in map(dict.values, facts)
    )
    columns = ("kind", "heads", "from", "source")
    console().print(plain_table(columns, rows, left=columns))


def _smallest_budget(kind: str, features: int, context_length: int) -> int | None:
    from finscale.errors import BudgetError

    for budget in _TRIED:
        try:
            return _designed(kind, budget, features, context_length).config.budget
        except BudgetError:
            continue
    return None


@model_app.command("show")
def show_model(
    wanted: Annotated[
        list[str],
        typer.Argument(help="KIND, or a PatchTST's budgets: 2M 20M 2B, any number."),
    ],
    budget: Annotated[
        list[str] | None, typer.Option("--budget", help="Budgets of KIND; may be given repeatedly.")
    ] = None,
    features: Features = 25,
    context_length: ContextLength = 80,
    shape: Annotated[
        str | None, typer.Option(help="Of a PatchTST: wide, balanced or deep.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the sizes, counts and FLOPs that the solver finds for each budget."""
    kind, budgets = _kind_and_budgets(wanted, budget or [])
    settings = {} if shape is None else {"shape": shape}
    designs = [_designed(kind, one, features, context_length, **settings) for one in budgets]
    if as_json:
        print_json([_facts(design) for design in designs])
    else:
        _print_designs(designs)


def _kind_and_budgets(wanted: list[str], budgets: list[str]) -> tuple[str, list[str]]:
    """Read ``KIND --budget 2M``, ``KIND 2M`` and, of PatchTST, ``2M 20M``."""
    from finscale.errors import ConfigError
    from finscale.models import ARCHITECTURES

    first, *rest = wanted
    if first[0].isdigit():
        return "patchtst", [*wanted, *budgets]
    title = ARCHITECTURES[first].title
    if not rest and not budgets:
        raise ConfigError(
            f"model show {first}: a {title} of what size?",
            hint=f"finscale model show {first} --budget 2M",
        )
    return first, [*rest, *budgets]


def _designed(
    kind: str, budget: str | int, features: int, context_length: int, **settings: str
) -> NetworkDesign:
    from finscale.config import validate
    from finscale.models import ARCHITECTURES, design

    content = {"kind": kind, "budget": budget, **settings}
    config = validate(ARCHITECTURES[kind].config, content, place="the command line")
    return design(config, num_features=features, context_length=context_length)


def _facts(made: NetworkDesign) -> dict[str, Any]:
    return {
        "kind": made.config.kind,
        "budget": made.config.budget,
        **{name: getattr(made.config, name) for name in made.config.SIZES},
        "total": made.counts.total,
        "non_embedding": made.counts.non_embedding,
        "input_and_head": made.counts.input_and_head,
        "flops_per_sample": made.flops,
    }


def _print_designs(designs: list[NetworkDesign]) -> None:
    from finscale.config import format_count

    sizes = designs[0].config.SIZES
    columns = ("budget", "parameters", "off", *sizes, "FLOP a sample")
    rows = []
    for made in designs:
        total, budget = made.counts.total, made.config.budget
        assert budget is not None
        row = [format_count(budget), f"{total:,}", f"{total / budget - 1:+.1%}"]
        row += [str(getattr(made.config, name)) for name in sizes]
        rows.append([*row, format_count(made.flops)])
    titles = (name.replace("_", " ") for name in columns)
    console().print(plain_table(titles, rows, left=()))
