"""Tables of losses in the files that trackers and spreadsheets write."""

import gzip
import json
import re

import pandas as pd
import polars as pl
import pytest

from finscale.errors import DataError
from finscale.scaling.table import read_table

SIZES = [1000, 1000, 10_000, 10_000, 1_000_000]
SEEDS = [0, 1, 0, 1, 0]
LOSSES = [0.4238645542594664, 0.42435, 0.38671, 0.39008, 0.33891]
ROWS = [
    {"parameters": n, "seed": s, "loss": loss}
    for n, s, loss in zip(SIZES, SEEDS, LOSSES, strict=True)
]
FRAME = pd.DataFrame(ROWS)


@pytest.fixture
def read(tmp_path):
    def read(content, name="results.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, x="parameters", **options)

    return read


def _same(table):
    assert table.x_nd[:, 0].tolist() == [1000, 10_000, 1_000_000]
    found = table.losses_nST[:, :, 0]
    # six digits are what pandas prints
    assert found[:2].ravel().tolist() == pytest.approx(LOSSES[:4], abs=1e-6)
    assert found[2, 0] == pytest.approx(LOSSES[4], abs=1e-6)
    # nothing was done but to read names without their groups
    assert all(re.match("read |column '.*seed.*' is read as seeds", note) for note in table.notes)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(FRAME.to_csv(index=False), id="CSV"),
        pytest.param(FRAME.to_csv(), id="CSV with an index"),
        pytest.param(FRAME.to_csv(sep=";", decimal=",", index=False), id="decimal commas"),
        pytest.param(FRAME.to_csv(sep="\t", index=False), id="tabs"),
        pytest.param(FRAME.to_string(index=False), id="printed by pandas"),
        pytest.param("Results of June\n" + FRAME.to_csv(index=False), id="a title"),
        pytest.param(
            FRAME.astype({"parameters": object})
            .assign(parameters=[f"{n:,}" for n in SIZES])
            .to_csv(index=False),
            id="thousands",
        ),
        pytest.param(FRAME.to_json(orient="records", double_precision=15), id="JSON"),
        pytest.param(json.dumps(ROWS), id="JSON records"),
        pytest.param("\n".join(map(json.dumps, ROWS)), id="JSON lines"),
        pytest.param(json.dumps(FRAME.to_dict(orient="list")), id="JSON by column"),
        pytest.param(
            pd.DataFrame(
                {
                    "run_id": ["a", "b", "c", "d", "e"],
                    "status": "FINISHED",
                    "start_time": "2024-01-02 05:00:00+00:00",
                    "metrics.loss": LOSSES,
                    "params.parameters": SIZES,
                    "params.seed": SEEDS,
                    "tags.mlflow.runName": "x",
                }
            ).to_csv(index=False),
            id="MLflow",
        ),
        pytest.param(
            FRAME.assign(Name="run", State="finished", Notes="-", User="me", Runtime=7, Sweep="")[
                ["Name", "State", "Notes", "User", "Runtime", "Sweep", "loss", "parameters", "seed"]
            ].to_csv(index=False, quoting=1),
            id="W&B's page",
        ),
        pytest.param(
            pd.DataFrame(
                {
                    "summary": [str({"loss": loss, "_step": 3, "best": None}) for loss in LOSSES],
                    "config": [
                        str({"parameters": n, "seed": s, "flag": True})
                        for n, s in zip(SIZES, SEEDS, strict=True)
                    ],
                    "name": ["a", "b", "c", "d", "e"],
                }
            ).to_csv(),
            id="W&B's API",
        ),
        pytest.param(
            json.dumps(
                [
                    {
                        "config": {"parameters": r["parameters"], "seed": r["seed"]},
                        "summary": {"loss": r["loss"]},
                    }
                    for r in ROWS
                ]
            ),
            id="nested JSON",
        ),
        pytest.param(
            "\n".join(
                json.dumps(
                    {
                        "model": {"parameters": r["parameters"], "layers": [1, 2, 3]},
                        "seed": r["seed"],
                        "metrics": {"eval/loss": r["loss"], "train/accuracy": 0.5},
                        "history": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
                    }
                )
                for r in ROWS
            ),
            id="JSON lines with lists",
        ),
        pytest.param(
            json.dumps(
                {
                    f"run {i}": {
                        "config": {"parameters": r["parameters"], "seed": r["seed"]},
                        "summary": {"loss": r["loss"]},
                    }
                    for i, r in enumerate(ROWS)
                }
            ),
            id="JSON by run",
        ),
        pytest.param(
            json.dumps(
                {
                    "runs": [
                        {
                            "info": {"run_id": f"r{i}", "status": "FINISHED"},
                            "data": {
                                "metrics": [{"key": "loss", "value": r["loss"], "step": 0}],
                                "params": [
                                    {"key": "parameters", "value": str(r["parameters"])},
                                    {"key": "seed", "value": str(r["seed"])},
                                ],
                            },
                        }
                        for i, r in enumerate(ROWS)
                    ]
                }
            ),
            id="MLflow's REST",
        ),
        pytest.param(
            json.dumps(
                [
                    {
                        "config": {
                            "parameters": {"value": r["parameters"], "desc": None},
                            "seed": {"value": r["seed"], "desc": None},
                        },
                        "summary": {"loss": r["loss"]},
                    }
                    for r in ROWS
                ]
            ),
            id="W&B's config with descriptions",
        ),
        pytest.param(
            pd.DataFrame(
                {
                    "config": [
                        str({"model": {"parameters": r["parameters"]}, "seed": r["seed"]})
                        for r in ROWS
                    ],
                    "summary": [json.dumps({"loss": r["loss"]}) for r in ROWS],
                    "name": ["a", "b", "c", "d", "e"],
                }
            ).to_csv(index=False),
            id="W&B's API, nested, text alone",
        ),
        pytest.param(
            FRAME.astype({"parameters": object})
            .assign(parameters=["1k", "1_000", "10K", "1e4", "1M"])
            .to_csv(index=False),
            id="sizes with units",
        ),
        pytest.param(
            "# losses of June, by parameters\n"
            + FRAME.to_csv(index=False).replace("0.42435\n", "0.42435  # run again\n# and more\n"),
            id="comments",
        ),
        pytest.param(gzip.compress(FRAME.to_csv(index=False).encode()), id="gzip"),
    ],
)
def test_the_same_losses_from_every_file(read, content):
    _same(read(content))


def test_what_is_in_the_file_counts_and_not_its_name(read, tmp_path):
    FRAME.to_parquet(tmp_path / "x.parquet")
    assert read((tmp_path / "x.parquet").read_bytes()).losses_nST[0, 0, 0] == LOSSES[0]
    _same(read((tmp_path / "x.parquet").read_bytes(), "results.csv"))
    FRAME.to_excel(tmp_path / "x.xlsx", index=False)
    _same(read((tmp_path / "x.xlsx").read_bytes(), "results.dat"))
    pl.from_pandas(FRAME).write_ipc(tmp_path / "x.arrow")
    _same(read((tmp_path / "x.arrow").read_bytes()))


def test_structs_are_columns_with_points(tmp_path):
    frame = pl.DataFrame(
        {
            "config": [{"parameters": n, "seed": s} for n, s in zip(SIZES, SEEDS, strict=True)],
            "metrics": [{"loss": loss} for loss in LOSSES],
        }
    )
    frame.write_parquet(tmp_path / "runs.parquet")
    for source in (frame, tmp_path / "runs.parquet"):
        table = read_table(source, x="parameters")
        _same(table)
        assert table.notes == (
            "read 'parameters' from 'config.parameters', 'loss' from 'metrics.loss'",
            "column 'config.seed' is read as seeds (--seed names another)",
        )


def test_a_name_that_several_columns_end_in_is_asked_for(read):
    lines = [
        json.dumps(
            {
                "model": {"parameters": row["parameters"]},
                "seed": row["seed"],
                "metrics": {"eval/loss": row["loss"], "train/loss": row["loss"] - 0.1},
            }
        )
        for row in ROWS
    ]
    with pytest.raises(DataError, match=r"2 that end so: metrics\.eval/loss, metrics.train/loss"):
        read("\n".join(lines))
    _same(read("\n".join(lines), y="eval/loss"))


def test_one_sheet_of_several_is_named(read, tmp_path):
    with pd.ExcelWriter(tmp_path / "x.xlsx") as book:
        FRAME.to_excel(book, sheet_name="March", index=False)
        FRAME.assign(loss=1.0 + FRAME["loss"]).to_excel(book, sheet_name="June", index=False)
    content = (tmp_path / "x.xlsx").read_bytes()
    with pytest.raises(DataError, match="2 sheets that could be meant: March, June") as error:
        read(content)
    assert "--sheet" in error.value.hint
    _same(read(content, sheet="March"))


def test_what_was_left_out_is_noted(read):
    table = read(FRAME.to_csv(index=False) + "Source: W&B\n1000,0")
    assert [note.partition(":")[0] for note in table.notes] == ["line 7", "line 8"]
    assert "cut off" in table.notes[1]


def test_days_sort_as_dates(read):
    days = ["2024-01-09", "2024-01-10"] * 2
    frame = pd.DataFrame({"parameters": [10, 10, 20, 20], "day": days, "loss": [4, 3, 2, 1.5]})
    table = read(frame.to_csv(index=False))
    assert table.has_days
    assert table.losses_nST.tolist() == [[[4, 3]], [[2, 1.5]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("parameters;loss\n1,000;2\n2,000;1\n", "'1,000' in row 1 of column 'parameters' could be"),
        (
            "parameters;loss\n10;0,5\n2,000.5;1\n",
            "'0,5' in row 1 of column 'loss' has a",
        ),
        ("10,0.5\n20,0.4\n", "has no header line: it begins with '10,0.5'"),
        ("parameters,loss,loss\n10,0.5,1\n20,0.4,1\n", "has two columns 'loss'"),
        ("parameters,los\n10,0.5\n20,0.4\n", "has no column 'loss'"),
        ("parameters,loss\n10,0.5\n20,low\n", "column 'loss' holds 'low'"),
        ("metrics.loss,summary.loss,parameters\n1,2,10\n1,2,20\n", "2 that end so: metrics.loss"),
    ],
)
def test_what_cannot_be_understood_is_said(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)
