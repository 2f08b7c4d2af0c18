"""A run's network as ONNX: the same numbers from onnxruntime, whatever the architecture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from finscale.errors import FinscaleError
from finscale.experiment import onnx_export
from finscale.experiment.model_inputs import rows_array
from finscale.experiment.new_bars import new_bars_of
from finscale.experiment.onnx_export import export_onnx
from finscale.models import ARCHITECTURES

pytestmark = pytest.mark.filterwarnings("ignore::finscale.errors.FinscaleWarning")

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def _computed(path, run, number: int) -> np.ndarray:
    """Return what a program makes of the file that has its metadata and the newest bars alone."""
    about = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    (bars,) = new_bars_of(run, run.data)
    rows = bars.rows(run.config.data, run.data)
    length = about["context_length"]
    x_RF = rows_array(rows, about["channels"])
    last_RK = rows_array(rows, about["relative"])
    ends = range(len(rows) - number, len(rows))
    given = {"window": np.stack([x_RF[end + 1 - length : end + 1] for end in ends])}
    given["last_row"] = last_RK[-number:]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {one.name: given[one.name] for one in session.get_inputs()})
    return found


#: To write one takes seconds: one at every change, all in the slow suite.
KINDS = [
    kind if kind == "patchtst" else pytest.param(kind, marks=pytest.mark.slow)
    for kind in ARCHITECTURES
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_is_written_and_agrees_with_predict(desk, tmp_path, kind) -> None:
    run = desk(f"model.kind={kind}")
    made = export_onnx(run, tmp_path / "model.onnx")
    assert made.difference <= 1e-5
    assert made.windows == "newest"
    expected = run.predict(last=7, calibration="none").table["logit"]
    np.testing.assert_allclose(_computed(made.path, run, 7), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        (("task.name=regression", "training.loss=quantile"), ["window"]),
        (("model.linear_path=none", "data.inputs=level"), ["window"]),
        (("data.inputs=level",), ["window", "last_row"]),
    ],
    ids=["quantiles", "levels", "levels and last row"],
)
def test_so_is_every_kind_of_input_and_output(desk, tmp_path, settings, inputs) -> None:
    run = desk(*settings)
    made = export_onnx(run, tmp_path / "model.onnx")
    assert [one["name"] for one in made.metadata["inputs"]] == inputs
    table = run.predict(last=5, calibration="none").table
    levels = made.metadata["output"]["quantiles"]
    columns = [f"quantile_{level:g}" for level in levels] or ["logit"]
    expected = table.select(columns).to_numpy()
    np.testing.assert_allclose(
        _computed(made.path, run, 5).reshape(expected.shape), expected, atol=1e-4, rtol=1e-5
    )


def test_the_file_says_what_it_is(desk, tmp_path) -> None:
    run = desk("model.kind=dlinear")
    path = run.to_onnx(tmp_path / "model.onnx")
    stored = onnx.load(str(path))
    (within,) = [one.value for one in stored.metadata_props if one.key == "finscale"]
    about = json.loads(within)
    assert about["run"] == run.id
    assert about["channels"] == list(run.inputs.channels)
    assert about["scale"] == run.inputs.scale_F.astype(float).tolist()
    assert about["context_length"] == 24
    assert about["task"]["name"] == "threshold_1pct"
    assert about["data"][0]["sha256"] == run.info["data"][0]["sha256"]
    beside = json.loads((tmp_path / "model.onnx.json").read_text(encoding="utf-8"))
    assert {**about, "onnx": beside["onnx"]} == beside
    platt = about["calibration"]
    row = run.predict(last=1).table
    calibrated = platt["slope"] * row["logit"][0] + platt["intercept"]
    assert 1 / (1 + np.exp(-calibrated)) == pytest.approx(row["probability"][0])
    # any number of windows
    assert stored.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_what_does_not_agree_is_not_written(desk, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(onnx_export, "_difference", lambda *_: 2e-5)
    with pytest.raises(FinscaleError, match=r"differ from torch.s by 2\.0e-05"):
        export_onnx(desk("model.kind=dlinear"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_it_says_what_to_install(desk, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(FinscaleError, match=r"onnxruntime is not installed") as raised:
        export_onnx(desk("model.kind=dlinear"), tmp_path / "model.onnx")
    assert "finscale[onnx]" in raised.value.hint
