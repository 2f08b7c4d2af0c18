"""``finscale model``: which networks there are and what a budget buys, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finscale.cli.model_devices import Arithmetic, device_plans, plan_facts, print_plans
from finscale.cli.options import AsJson, console, plain_table, print_json, say

if TYPE_CHECKING:
    from finscale.models import NetworkDesign

model_app = typer.Typer(help="Show architectures for parameter budgets.", no_args_is_help=True)

Features = Annotated[
    int | None, typer.Option(min=1, help="Input channels; those of a default run when absent.")
]
ContextLength = Annotated[int, typer.Option(min=2, help="Bars that a window sees.")]
#: Budgets that ``list`` tries, from below: four to a decade.
_TRIED = tuple(round(10 ** (2 + step / 4)) for step in range(29))


@model_app.command("list")
def list_models(
    features: Features = None, context_length: ContextLength = 80, as_json: AsJson = False
) -> None:
    """List the architectures: name, smallest round budget that can be met, source."""
    from finscale.config import format_count
    from finscale.models import ARCHITECTURES
    from finscale.models.interface import HEAD_NAMES

    features = features or _default_channels()
    facts: list[dict[str, Any]] = [
        {
            "kind": kind,
            "title": architecture.title,
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
        (
            fact["kind"],
            "" if fact["smallest_budget"] is None else format_count(fact["smallest_budget"]),
            # what all have in common is said once, below
            fact["source"] + _only(fact["heads"], HEAD_NAMES),
        )
        for fact in facts
    )
    columns = ("kind", "from", "source")
    out = console()
    out.print(plain_table(columns, rows, left=columns, whole=columns[:2]))
    tried = ", ".join(map(format_count, _TRIED[:5]))
    out.print(
        f"\nfrom: the smallest of {tried} … parameters that can be met on {features} features. "
        f"For {', '.join(HEAD_NAMES)}."
    )
    out.print("finscale model show gru --budget 2M: sizes, counts, FLOPs, memory.")


def _default_channels() -> int:
    from finscale.config.data import DataConfig
    from finscale.features.relative import num_channels

    return num_channels(DataConfig())


def _only(heads: Sequence[str], all_heads: Sequence[str]) -> str:
    return "" if set(heads) == {*all_heads} else f" ({', '.join(heads)} only)"


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
        list[str] | None,
        typer.Argument(help="KIND, or a PatchTST's budgets: 2M 20M 2B, any number."),
    ] = None,
    budget: Annotated[
        list[str] | None, typer.Option("--budget", help="Budgets of KIND; may be given repeatedly.")
    ] = None,
    features: Features = None,
    context_length: ContextLength = 80,
    shape: Annotated[
        str | None, typer.Option(help="Of a PatchTST: wide, balanced or deep.")
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=2, help="Show what each of so many devices needs to train it together."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Windows of a batch, over all devices; with --devices.")
    ] = 64,
    precision: Annotated[
        Arithmetic, typer.Option(help="Arithmetic of the training; with --devices.")
    ] = "fp32",
    as_json: AsJson = False,
) -> None:
    """Show the sizes, counts and FLOPs that the solver finds; of one budget, memory and source."""
    kind, budgets = _kind_and_budgets(wanted or [], budget or [])
    features = features or _default_channels()
    settings = {} if shape is None else {"shape": shape}
    designs = [_designed(kind, one, features, context_length, **settings) for one in budgets]
    plans = [
        device_plans(one, devices=devices, batch_size=batch_size, precision=precision)
        for one in designs
        if devices
    ]
    if as_json:
        facts = [_facts(design) for design in designs]
        for fact, plan in zip(facts, plans, strict=False):
            fact["devices"] = plan_facts(plan)
        print_json(facts)
        return
    if len(designs) == 1:
        _print_design(designs[0])
    else:
        _print_designs(designs)
    for design, plan in zip(designs, plans, strict=False):
        say(f"\n{design.describe()}", console())
        print_plans(plan, console(), batch_size=batch_size, precision=precision)


def _kind_and_budgets(wanted: list[str], budgets: list[str]) -> tuple[str, list[str]]:
    """Read ``KIND --budget 2M``, ``KIND 2M`` and, of PatchTST, ``2M 20M``."""
    from finscale.errors import ConfigError
    from finscale.models import ARCHITECTURES

    if not wanted and budgets:
        return "patchtst", budgets
    if not wanted:
        raise ConfigError("model show: which model?", hint="finscale model show patchtst 2M")
    first, *rest = wanted
    if first[:1].isdigit():
        return "patchtst", [*wanted, *budgets]
    title = ARCHITECTURES[first].title
    if not rest and not budgets:
        raise ConfigError(
            f"model show {first}: {title}, of what size?",
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
    lasting, passing = _memory(made)
    return {
        "kind": made.config.kind,
        "description": made.describe(),
        "source": made.architecture.source,
        "budget": made.config.budget,
        **{name: getattr(made.config, name) for name in made.config.SIZES},
        "feature_embedding": getattr(made.config, "feature_embedding", None),
        "total": made.counts.total,
        "non_embedding": made.counts.non_embedding,
        "input_and_head": made.counts.input_and_head,
        "flops_per_sample": made.flops,
        "training_bytes": lasting,
        "training_bytes_per_sample": passing,
    }


def _memory(made: NetworkDesign) -> tuple[int, int]:
    """Return the bytes of training in fp32 that last, and those of each window of a batch."""
    lasting = made.training_memory(0)
    return lasting, made.training_memory(1) - lasting


def _print_design(made: NetworkDesign) -> None:
    """Print one design, a fact a line: it fits a narrow terminal."""
    from finscale.config import format_count

    counts, budget = made.counts, made.config.budget
    assert budget is not None
    lasting, passing = (_in_bytes(count) for count in _memory(made))
    channels = getattr(made.config, "feature_embedding", None)
    rows = [
        ("budget", format_count(budget)),
        ("parameters", f"{counts.total:,} ({counts.total / budget - 1:+.1%})"),
        ("", f"{counts.non_embedding:,} without the input side"),
        ("", f"{counts.input_and_head:,} in input side and head"),
        *((name.replace("_", " "), f"{getattr(made.config, name)}") for name in made.config.SIZES),
        ("features", f"{made.interface.num_features}" + (f" as {channels}" if channels else "")),
        ("FLOP a sample", f"{format_count(made.flops)}, a training step 3 times as many"),
        ("memory", f"{lasting} for weights, gradients and AdamW, {passing} a sample"),
        ("source", made.architecture.source),
    ]
    columns = (made.config.kind, made.describe())
    console().print(plain_table(columns, rows, left=columns, whole=columns[:1]))


def _in_bytes(count: int) -> str:
    """Return a size of memory as it is read: ``32.1 MB``, ``16 GB``, ``1,600 GB``."""
    if count < 1e9:
        return f"{count / 1e6:,.3g} MB"
    return f"{count / 1e9:.3g} GB" if count < 1e12 else f"{count / 1e9:,.0f} GB"


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
