"""A run's network as one ONNX file, checked against torch before it counts as written.

The file holds the whole model: the division by the channels' scale, the normalisation of windows,
the network, the linear path. What its numbers mean is in its metadata, and in a JSON beside it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finscale.config.losses import quantile_levels, target_name
from finscale.data.targets import timeline
from finscale.errors import FinscaleError, missing_extra
from finscale.evaluation.calibrators import LinkCalibrator, fit_calibrator
from finscale.files import atomic_path, file_digests, write_json

if TYPE_CHECKING:
    from finscale.experiment.trained_run import TrainedRun

#: Largest difference from torch's outputs, as a share of the largest of them, or of one.
TOLERANCE = 1e-5
#: Batches that are compared: one window, an odd number, many.
_BATCHES = (1, 3, 64)
#: A file of protobuf holds 2 GiB; larger weights lie in a file beside it.
_LARGEST_FILE = 1_900_000_000
_METADATA_KEY = "finscale"


@dataclass(frozen=True)
class OnnxExport:
    """A network that was written as ONNX.

    Attributes
    ----------
    path, about : Path
        The model, and the JSON beside it.
    difference : float
        Largest difference from torch's outputs, as a share of the largest of them, or of one.
    num_windows : int
        Windows that were compared.
    windows : str
        Which: ``newest`` bars of the store, or ``drawn`` ones where it has none.
    metadata : dict
        What the model's numbers mean.
    """

    path: Path
    about: Path
    difference: float
    num_windows: int
    windows: str
    metadata: dict[str, Any]


class WholeModel(nn.Module):
    """A run's network with what is done to windows before it: it reads columns as they are.

    Parameters
    ----------
    network : nn.Module
        As :meth:`TrainedRun.model` returns it.
    scale_F : Tensor
        What channels are divided by.
    last_K : Tensor of int64, optional
        Which channels the linear path reads of the last row, where all of its columns are channels;
        they are a second input where they are not.
    """

    scale_F: Tensor
    last_K: Tensor | None

    def __init__(self, network: nn.Module, scale_F: Tensor, last_K: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale_F", scale_F)
        self.register_buffer("last_K", last_K)
        self.reads_last_row = bool(getattr(network, "reads_last_row", False))

    def forward(self, window: Tensor, last_row: Tensor | None = None) -> Tensor:
        """Return logits ``[B]``, or numbers ``[B]`` or ``[B, Q]``, of windows ``[B, L, F]``."""
        read = [window / self.scale_F]
        if self.reads_last_row:
            if last_row is None:
                assert self.last_K is not None, "the columns are no channels: they are an input"
                last_row = window[:, -1].index_select(1, self.last_K)
            read.append(last_row)
        output: Tensor = self.network(*read)
        return output


def export_onnx(run: TrainedRun, path: Path | str | None = None) -> OnnxExport:
    """Write a run's network as ONNX, and a JSON beside it, ``<file>.json``.

    Parameters
    ----------
    run : TrainedRun
        Of any architecture.
    path : path, optional
        ``<run-id>.onnx`` in this folder when absent.

    Raises
    ------
    FinscaleError
        If onnx, onnxscript or onnxruntime are not installed, the network cannot be written as
        ONNX, or onnxruntime computes something else than torch. Nothing is written then.
    """
    _require_onnx()
    target = Path(path or f"{run.id}.onnx")
    network, inputs = run.model(), run.inputs
    places = {name: place for place, name in enumerate(inputs.channels)}
    last_K = None
    if all(name in places for name in inputs.relative):
        last_K = torch.tensor([places[name] for name in inputs.relative], dtype=torch.int64)
    model = WholeModel(network, torch.from_numpy(inputs.scale_F), last_K).eval()
    samples, which = _samples(run)
    read = samples if model.reads_last_row and last_K is None else samples[:1]
    metadata = _metadata(run, two_inputs=len(read) > 1)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / target.name
        with _quiet():
            _write(model, read, written, run, metadata)
        difference = _difference(model, read, written)
        if not difference <= TOLERANCE:
            raise FinscaleError(
                f"onnxruntime's outputs of run {run.id} differ from torch's by {difference:.1e}, "
                f"more than {TOLERANCE:g}: nothing was written.",
                hint="a newer onnxruntime or torch may agree",
            )
        for part in sorted(Path(folder).iterdir(), key=lambda one: one == written):
            with atomic_path(target.parent / part.name) as temporary:
                shutil.copyfile(part, temporary)
    about = target.with_name(f"{target.name}.json")
    content = {**metadata, "onnx": {"file": target.name, "sha256": file_digests(target).sha256}}
    write_json(about, content)
    return OnnxExport(target, about, difference, len(read[0]), which, metadata)


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "onnx") from None


def _write(
    model: WholeModel,
    read: tuple[Tensor, ...],
    path: Path,
    run: TrainedRun,
    metadata: dict[str, Any],
) -> None:
    names = ["window", "last_row"][: len(read)]
    batch = torch.export.Dim("batch", min=1)
    # two windows: one would be taken for a constant
    example = tuple(part[:2] for part in read)
    shapes: dict[str, Any] = {name: {0: batch} for name in names}
    if len(read) == 1:
        shapes["last_row"] = None
    try:
        with torch.no_grad():
            program = torch.export.export(
                model, (*example, None)[:2], dynamic_shapes=shapes, strict=False
            )
            made = torch.onnx.export(
                program,
                input_names=names,
                output_names=[metadata["output"]["name"]],
                dynamo=True,
                optimize=True,
                verbose=False,
            )
        assert made is not None
        made.model.metadata_props[_METADATA_KEY] = json.dumps(metadata, ensure_ascii=False)
        made.model.producer_name = "finscale"
        size = sum(parameter.nbytes for parameter in model.parameters())
        made.save(path, external_data=size > _LARGEST_FILE)
    except FinscaleError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise FinscaleError(
            f"{run.config.network.kind} of run {run.id} cannot be written as ONNX: "
            f"{type(error).__name__}: {reason}.",
            hint="`fs.load_run(…).model()` gives the network itself",
        ) from error


def _difference(model: WholeModel, read: tuple[Tensor, ...], path: Path) -> float:
    """Return the largest difference of onnxruntime from torch, over batches of several sizes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in _BATCHES:
        batch = tuple(part[-size:] for part in read)
        with torch.inference_mode():
            expected = model(*batch).numpy()
        fed = {
            one.name: part.numpy() for one, part in zip(session.get_inputs(), batch, strict=True)
        }
        (found,) = session.run(None, fed)
        if found.shape != expected.shape:
            return float("inf")
        size_of = max(1.0, float(np.abs(expected).max()))
        worst = max(worst, float(np.abs(found - expected).max()) / size_of)
    return worst


def _samples(run: TrainedRun) -> tuple[tuple[Tensor, Tensor], str]:
    """Return windows to compare on: of the newest bars, or drawn where there are none."""
    from finscale.experiment.model_inputs import rows_array
    from finscale.experiment.new_bars import registered_new_bars

    config, inputs, number = run.config.data, run.inputs, max(_BATCHES)
    length = config.context_length
    try:
        rows = registered_new_bars(config.symbols[0], run, run.data).rows(config, run.data)
    except FinscaleError:
        rng = np.random.default_rng(0)
        z_RF = rng.standard_normal((length + number, len(inputs.channels)))
        rows_RF = (z_RF * inputs.scale_F).astype(np.float32)
        last_RK = rng.standard_normal((length + number, len(inputs.relative))).astype(np.float32)
        which = "drawn"
    else:
        rows_RF = rows_array(rows[-(length + number) :], inputs.channels)
        last_RK = rows_array(rows[-(length + number) :], inputs.relative)
        which = "newest"
    return (_windows(rows_RF, length), torch.from_numpy(last_RK[length - 1 :].copy())), which


def _windows(rows_RF: NDArray[np.float32], length: int) -> Tensor:
    windows = np.lib.stride_tricks.sliding_window_view(rows_RF, length, axis=0)
    return torch.from_numpy(np.ascontiguousarray(windows.transpose(0, 2, 1)))


def _metadata(run: TrainedRun, *, two_inputs: bool) -> dict[str, Any]:
    """Return what a program needs in order to use the model, as plain values."""
    config, inputs = run.config, run.inputs
    target = target_name(config)
    levels = quantile_levels(config)
    given = [
        {
            "name": "window",
            "shape": ["batch", config.data.context_length, len(inputs.channels)],
            "what": "the last rows, oldest first, one column a channel, as they are: the model "
            "divides them by scale",
        }
    ]
    if two_inputs:
        given.append(
            {
                "name": "last_row",
                "shape": ["batch", len(inputs.relative)],
                "what": "the relative columns of the decision row, as they are",
            }
        )
    linear = run.linear_scale
    return {
        "run": run.id,
        "architecture": config.network.kind,
        "parameters": run.info["parameters"],
        "seed": config.seed,
        "fold": config.split.fold,
        "task": config.task.model_dump(mode="json"),
        "question": timeline(config.task),
        "symbols": list(config.data.symbols),
        "tier": config.data.feature_set,
        "timescale": config.data.timescale,
        "context_length": config.data.context_length,
        "inputs": given,
        "channels": list(inputs.channels),
        "scale": inputs.scale_F.astype(float).tolist(),
        "relative": list(inputs.relative) if linear is not None else [],
        "linear_mean": [] if linear is None else linear[0].astype(float).tolist(),
        "linear_spread": [] if linear is None else linear[1].astype(float).tolist(),
        "output": {
            "name": "logit" if target == "classification" else target,
            "what": "log odds: 1 / (1 + exp(-logit)) is the uncalibrated probability"
            if target == "classification"
            else "log returns",
            "quantiles": list(levels),
        },
        "calibration": _platt(run) if target == "classification" else None,
        "data": run.info["data"],
        "weights_sha256": run.info.get("files", {}).get("model.safetensors", {}).get("sha256"),
    }


def _platt(run: TrainedRun) -> dict[str, Any] | None:
    """Return the two numbers of Platt's calibration on validation, as ``predict`` uses it."""
    validation = run.predictions("validation")
    try:
        fitted = fit_calibrator("platt", validation["target"], validation["logit"])
    except FinscaleError:
        return None
    assert isinstance(fitted, LinkCalibrator)
    slope, intercept = map(float, fitted.coefficients)
    what = "1 / (1 + exp(-(slope * logit + intercept)))"
    return {"method": "platt", "slope": slope, "intercept": intercept, "probability": what}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own talk off the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
