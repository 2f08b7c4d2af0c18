"""The reference pages are complete: every setting, every option, every public name."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import typer
from pydantic import BaseModel

from finscale.config import BaselineConfig, ExperimentConfig, ModelConfig, StudyConfig


@pytest.fixture
def settings(extension):
    return extension("settings_page").markdown()


def _fields(section, prefix=""):
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        inner = [kind for kind in _kinds(field.annotation) if kind is not ExperimentConfig]
        for kind in inner:
            yield from _fields(kind, f"{prefix}{name}.")


def _kinds(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _kinds(part)]


@pytest.mark.parametrize("section", [ExperimentConfig, StudyConfig])
def test_every_setting_is_on_the_page_with_its_meaning(settings, section):
    entries = dict(re.findall(r"^`([\w.]+)`\n: ((?:.+\n|\n  )+)", settings, re.MULTILINE))
    names = list(_fields(section))
    assert len(names) > 8
    for name in names:
        # an architecture has the settings of a run's model, which stand there
        name = re.sub(r"^architectures\.", "model.", name)
        assert name in entries, name
        meaning = entries[name].strip().split("\n")[-1].strip()
        assert len(meaning) > 3, f"{name} has no meaning"
        assert "default" not in meaning, f"{name} has a default and no meaning"


def test_both_kinds_of_model_are_on_the_page(settings):
    for kind, section in (("patchtst", ModelConfig), ("baseline", BaselineConfig)):
        part = settings.partition(f"`model` ({kind})")[2].partition("### ")[0]
        for name in section.model_fields:
            assert f"`model.{name}`" in part


def test_types_and_defaults_are_in_words(settings):
    assert "whole number ≥ 1 · default `20`" in settings
    assert "`wide`, `balanced`, `deep` · default `wide`" in settings
    assert "**required**" in settings
    for leak in ("typing.", "Annotated", "<class", "Undefined", "FieldInfo", "None"):
        assert leak not in re.sub(r"\bNone (leaves|never|turns|does)", "", settings), leak


def test_every_option_of_every_verb_is_on_the_page(extension):
    from finscale.cli.app import app

    page = extension("cli_page").markdown()

    def walk(command, words):
        inner = getattr(command, "commands", {})
        for name, one in inner.items():
            walk(one, [*words, name])
        if inner or len(words) == 1:
            return
        part = page.partition(f"`{' '.join(words)}`\n")[2].partition("\n#")[0]
        assert part, words
        for parameter in command.params:
            shown = parameter.opts[0] if parameter.opts[0].startswith("-") else "Arguments"
            assert shown in part, (words, shown)

    walk(typer.main.get_command(app), ["finscale"])
    assert not re.search(r"^\* `[a-z-]+`: .*\.\.\.$", page, re.MULTILINE), "cut help"


def test_every_public_name_is_on_a_page(extension):
    import importlib

    module = extension("api_pages")
    pages = module.pages()
    for room in module.ROOMS:
        names = getattr(importlib.import_module(room), "__all__", ())
        for name in names:
            assert re.search(rf"(^   |``){name}(``)?$", pages[room], re.MULTILINE), (room, name)
    import finscale

    for name in finscale.__all__:
        assert f"fs.{name} <" in pages["finscale"]


def test_names_that_differ_by_case_alone_get_two_files(extension):
    renamed = extension("api_pages").filenames()
    assert renamed["finscale.scaling.plan.plan"] == "finscale.scaling.plan.plan-function"


def test_the_page_of_features_lists_every_declaration_once(extension):
    from finscale.features import FEATURES

    page = extension("features_page").markdown()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(FEATURES)
    row = next(row for row in rows if row.startswith("| `vol_gk_20_rank` "))
    feature = FEATURES["vol_gk_20_rank"]
    assert f"| a100 | {feature.words} |" in row
    assert f"| {feature.lookback} |" in row
