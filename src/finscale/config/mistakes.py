"""What pydantic found wrong with settings, in one sentence with its place and its way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from finscale.config.base import NAME_FORM, marks, sections_in
from finscale.config.model import NetworkConfig, model_section
from finscale.errors import ConfigError, SettingError, did_you_mean

#: Words that people use → the setting that is meant.
_MEANT = {"symbol": "data.symbols", "lr": "training.learning_rate", "tickers": "data.symbols"}
#: Forms of texts that a setting may take → the sentence that says what they are.
_FORMS = {
    NAME_FORM: "a name begins with a letter or a digit and goes on with letters, digits, . _ and -"
}


def explain(
    kind: type[BaseModel],
    content: Mapping[str, Any],
    error: ValidationError,
    place: str,
    overridden: Collection[str] = (),
) -> ConfigError:
    """Return the error that names the first mistake, counts the others and tells the way out.

    Parameters
    ----------
    kind : type
        The section that was validated.
    content : mapping
        What was given for it.
    error : ValidationError
        What pydantic says.
    place : str
        The file, or the call.
    overridden : collection of str
        Settings that ``--set`` gave.
    """
    # a default that waits for the others is no mistake of its own
    found = [
        one
        for one in error.errors(include_url=False)
        if one["type"] != "default_factory_not_called"
    ]
    first = found[0]
    setting = _setting(first["loc"])
    where = "in --set" if setting in overridden else f"in {place}"
    more = len({_setting(one["loc"]) for one in found}) - 1
    suffix = f" (and {more} more)" if more else ""
    if first["type"] == "extra_forbidden":
        known, section = _fields(kind, content, first["loc"][:-1])
        prefix = f"{section}." if section else ""
        leaf = setting.rpartition(".")[2]
        meant = _elsewhere(kind, leaf)
        way = f"Did you mean {meant}?" if meant else did_you_mean(leaf, known, prefix=prefix)
        return SettingError(
            f"{setting} is not a setting{suffix}.",
            hint=f"{way} ({where}); all settings: docs/reference/config",
        )
    if first["type"] in ("model_type", "model_attributes_type"):
        known, _ = _fields(kind, content, first["loc"])
        return SettingError(
            f"{setting} = {first['input']!r}: {setting} is a section of settings{suffix}.",
            hint=f"{setting}: {{{known[0]}: {first['input']}}} ({where})",
        )
    if first["type"] == "missing":
        return SettingError(f"{setting} is missing{suffix}.", hint=where)
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "string_pattern_mismatch":
        reason = _FORMS.get(first["ctx"]["pattern"], reason)
    value = first.get("input")
    shown = f" = {value!r}" if setting and not isinstance(value, dict) else ""
    return SettingError(f"{setting or 'the config'}{shown}: {reason}{suffix}.", hint=where)


def _elsewhere(kind: type[BaseModel], leaf: str) -> str:
    """Return the one setting of that name, wherever in a config it stands."""
    names = [name for name, _ in marks(kind)]
    meant = [name for name in names if name.rpartition(".")[2] == leaf and name != leaf]
    if meant:
        return min(meant, key=len)
    return next((name for name in names if name.endswith(_MEANT.get(leaf, "\0"))), "")


def _setting(loc: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in loc if not _is_branch(part))


def _is_branch(part: object) -> bool:
    """Tell whether pydantic names a branch of a union here, rather than a key."""
    return isinstance(part, str) and ("[" in part or "-" in part)


def _fields(
    kind: type[BaseModel], content: Any, parts: Sequence[str | int]
) -> tuple[list[str], str]:
    """Return the settings that exist at ``parts`` and the section's dotted name."""
    sections: list[type[BaseModel]] = [kind]
    walked: list[str] = []
    for part in parts:
        content = content.get(part) if isinstance(content, dict) else None
        field = sections[0].model_fields.get(str(part))
        inner = sections_in(field.annotation) if field else []
        if inner and issubclass(inner[0], NetworkConfig) and isinstance(content, dict):
            inner = [model_section(content)]
        if not inner:
            break
        sections = inner
        walked.append(str(part))
    return list(sections[0].model_fields), ".".join(walked)
