"""``finscale export``: a run's network in a form that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finscale.cli.options import RUNS, AsJson, DataRoot, Quiet, RunsFolder, print_json, say
from finscale.errors import ConfigError


def export(
    run: Annotated[str, typer.Argument(help="First digits of a run's id, or its folder.")],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="As ONNX, the one form that there is.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The file; RUN.onnx in this folder when absent.")
    ] = None,
    runs: RunsFolder = RUNS,
    data_root: DataRoot = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's network as ONNX: scaling of inputs, network and linear path in one file.

    onnxruntime computes it beside torch, and only what agrees to 1e-5 is written. A JSON
    beside it says which columns it reads, in their order, and what its output means.
    """
    from finscale.experiment import load_run
    from finscale.experiment.onnx_export import export_onnx

    if not onnx:
        raise ConfigError("finscale export knows one form.", hint=f"finscale export {run} --onnx")
    if out is not None and out.suffix != ".onnx":
        raise ConfigError(f"--out {out}: the file's name ends in .onnx.")
    trained = load_run(run, runs=runs, data_root=data_root)
    made = export_onnx(trained, out)
    if as_json:
        facts = {"file": str(made.path), "about": str(made.about), "difference": made.difference}
        print_json({**facts, "windows": made.num_windows, **made.metadata})
        return
    if quiet:
        say(str(made.path))
        return
    inputs = ", ".join(
        f"{one['name']} [{', '.join(map(str, one['shape']))}]" for one in made.metadata["inputs"]
    )
    say(f"written   {made.path}  {made.path.stat().st_size / 1e6:.2f} MB · {made.about}")
    say(f"reads     {inputs}")
    say(f"writes    {made.metadata['output']['name']}: {made.metadata['output']['what']}")
    say(f"checked   onnxruntime against torch on {made.num_windows} windows: {made.difference:.1e}")
