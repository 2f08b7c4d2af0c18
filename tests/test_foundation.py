"""Errors, registry, atomic files, lazy public names."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import finscale as fs
from finscale.cli.options import print_json
from finscale.errors import FinscaleError, did_you_mean, missing_extra
from finscale.files import atomic_path, file_digests, null_for_nan, read_json, write_json
from finscale.registry import Registry


def test_error_prints_message_and_hint() -> None:
    assert str(FinscaleError("SPY has no bars.", hint="download it")) == (
        "SPY has no bars.\n       download it"
    )
    assert "pip install 'finscale[yahoo]'" in str(missing_extra("yfinance", "yahoo"))


def test_did_you_mean_names_the_nearest_or_all() -> None:
    assert did_you_mean("hubr", ["mse", "huber"]) == "Did you mean huber?"
    assert did_you_mean("zzz", ["mse", "huber"]) == "Known: huber, mse"
    many = did_you_mean("zzz", [f"T{number:03}" for number in range(500)])
    assert many.endswith("T038, T039 … (500 in all)")


def test_registry_keeps_order_and_refuses_doubles() -> None:
    registry = Registry[int]("loss")
    registry.add("b", 1)
    registry.add("a", 2)
    assert list(registry) == ["b", "a"]
    assert len(registry) == 2
    with pytest.raises(ValueError, match="registered already"):
        registry.add("a", 3)
    with pytest.raises(FinscaleError, match="'c' is not a loss"):
        registry["c"]


def test_write_json_replaces_whole_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "deep" / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_atomic_path_leaves_the_old_file_when_the_writer_fails(tmp_path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_unwritable_target_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FinscaleError, match="cannot be written"):
        write_json(tmp_path / "file" / "x.json", {})


def test_read_json_errors(tmp_path) -> None:
    with pytest.raises(FinscaleError, match="does not exist"):
        read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FinscaleError, match="not valid JSON"):
        read_json(tmp_path / "bad.json")


def test_file_digests(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"finscale")
    digests = file_digests(tmp_path / "x")
    assert digests.md5 == hashlib.md5(b"finscale").hexdigest()
    assert digests.sha256 == hashlib.sha256(b"finscale").hexdigest()


@pytest.mark.parametrize("name", fs.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(fs, name) is not None


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fs.nothing  # noqa: B018


@pytest.mark.parametrize("heavy", ["torch", "pandas", "sklearn", "arch", "mlflow", "matplotlib"])
def test_import_and_terminal_load_nothing_heavy(heavy: str) -> None:
    code = f"import finscale, finscale.cli.app, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_numbers_that_json_has_no_word_for_become_null() -> None:
    content = {"a": math.nan, "b": [1, -math.inf, (2.5, math.inf)], "c": {"d": None, "e": "nan"}}
    expected = {"a": None, "b": [1, None, [2.5, None]], "c": {"d": None, "e": "nan"}}
    assert null_for_nan(content) == expected


def test_what_is_printed_for_programs_is_json(capsys) -> None:
    print_json({"a": math.nan, "path": Path("b")})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": None,
        "path": "b",
    }
