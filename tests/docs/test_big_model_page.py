"""The page about big models shows what its command prints."""

from __future__ import annotations

import json
import re

from typer.testing import CliRunner

from finscale.cli.app import app


def test_the_memory_on_the_page_is_what_the_command_plans(docs):
    page = (docs / "howto" / "big-model.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(PatchTST .*?)```", page, re.DOTALL)
    result = CliRunner().invoke(app, ["model", "show", "--budget", "2B", "--devices", "8"])
    assert result.exit_code == 0
    printed = [line.rstrip() for line in result.output.splitlines()]
    for line in shown.strip().splitlines():
        assert line.rstrip() in printed


def test_the_same_plan_as_json_adds_up():
    words = ["model", "show", "--budget", "20M", "--devices", "4", "--json"]
    (facts,) = json.loads(CliRunner().invoke(app, words).output)
    ddp, fsdp = facts["devices"]
    assert (ddp["strategy"], fsdp["strategy"]) == ("ddp", "fsdp")
    # fp32 weight, gradient and two moments
    assert ddp["weights"] == 16 * facts["total"]
    assert fsdp["weights"] == -(-16 * facts["total"] // 4)
    for plan in (ddp, fsdp):
        parts = plan["weights"] + plan["gathered"] + plan["activations"]
        assert plan["total"] == parts
    # a batch is shared: half as many devices have twice the windows each
    words[5] = "2"
    (fewer,) = json.loads(CliRunner().invoke(app, words).output)
    assert fewer["devices"][0]["activations"] == 2 * ddp["activations"]
