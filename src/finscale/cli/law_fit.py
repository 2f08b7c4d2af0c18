"""What `finscale law fit` does once its options are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finscale.cli.options import console, print_json


def run_fit(
    table: Path,
    *,
    x: list[str],
    y: str,
    form: str,
    loss: str,
    columns: dict[str, str],
    signed: bool,
    holdout: int,
    horizon: int,
    num_replicates: int,
    compare: bool,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit, print a summary or JSON, and write a figure when asked."""
    from finscale.scaling.approaches import compare_approaches
    from finscale.scaling.compare_forms import compare_forms
    from finscale.scaling.law import fit_law
    from finscale.scaling.table import read_table

    read = read_table(table, x=x, y=y, signed=signed, **columns)
    law = fit_law(
        read,
        form=form,
        loss=loss,
        signed=signed,
        holdout=holdout,
        horizon=horizon,
        num_replicates=num_replicates,
    )
    content: dict[str, Any] = {"law": law.to_dict()}
    texts = [law.summary()]
    if compare:
        forms = compare_forms(read, loss=loss, signed=signed, horizon=horizon)
        content["forms"] = forms.to_dict()
        texts.append(forms.summary())
        if len(read.axes) == 2 and not signed:
            approaches = compare_approaches(read, num_replicates=num_replicates)
            content["approaches"] = approaches.to_dict()
            texts.append(approaches.summary())
    if plot is not None:
        from finscale.scaling.law_plot import save

        save(law, plot)
        content["figure"] = str(plot)
    if as_json:
        print_json(content)
        return
    out = console()
    if quiet:
        out.print(repr(law), markup=False, soft_wrap=True)
        return
    out.print("\n\n".join(texts), markup=False, soft_wrap=True)
    if plot is not None:
        out.print(f"figure       {plot}", markup=False, soft_wrap=True)
