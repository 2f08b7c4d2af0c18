"""A run that this installation cannot read, because its model's plugin is not loaded."""

import json

import pytest

from finscale.errors import FinscaleWarning
from finscale.judging.bench import count_runs
from finscale.runs import RunStore


def test_it_is_left_out_and_named_and_others_go_on(tiny, tmp_path):
    for digit, kind in (("a", "patchtst"), ("b", "row_mean")):
        folder = tmp_path / (16 * digit)
        folder.mkdir()
        config = tiny.model_dump(mode="json")
        config["model"]["kind"] = kind
        (folder / "run.json").write_text(json.dumps({"config": config}))
        (folder / "predictions.parquet").touch()
    store = RunStore(tmp_path)
    with pytest.warns(FinscaleWarning, match=r"run b+ is left out: .*'row_mean'.*plugin"):
        known = [run.id for run in store if run.is_known]
    assert known == [16 * "a"]
    with pytest.warns(FinscaleWarning, match="left out"):
        assert count_runs(store, store[16 * "a"].config) == 1
