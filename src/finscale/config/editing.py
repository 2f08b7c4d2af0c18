"""One setting written into a YAML file as a person would: comments and layout stay."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from finscale.config.loading import read_yaml
from finscale.errors import ConfigError
from finscale.files import write_bytes


def write_setting(path: Path, section: str, name: str, value: int | float | str) -> None:
    """Write ``section.name`` into a config file, atomically.

    The text is edited where the setting stands or belongs: a value is replaced, a missing key goes
    below its section's name, a missing section to the file's end. A section that names another file
    gets that file as its ``base``.

    Parameters
    ----------
    path : Path
        A YAML file of settings.
    section, name : str
        ``training`` and ``batch_size``.
    value : int, float or str
        A plain scalar.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is laid out so that the edit would change anything else.
    """
    read_yaml(path)  # says in one sentence what is wrong with a file that cannot be read
    text = path.read_bytes().decode("utf-8")
    before = yaml.safe_load(text)
    edited = _edited(text, section, name, str(value))
    if _load(edited) != _wanted(before, section, name, value):
        raise ConfigError(
            f"{path} is laid out in a way that cannot be edited safely.",
            hint=f"write {section}.{name}: {value} into it yourself",
        )
    write_bytes(path, edited.encode("utf-8"))


def _wanted(content: Any, section: str, name: str, value: int | float | str) -> Any:
    wanted = copy.deepcopy(content)
    inner = wanted.get(section)
    if isinstance(inner, str):
        inner = {"base": inner}
    wanted[section] = {**(inner or {}), name: value}
    return wanted


def _load(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _edited(text: str, section: str, name: str, value: str) -> str:
    """Return the text with the setting in it; positions come from the YAML parser."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    found = _entry(root, section)
    if found is None:
        if root.flow_style:
            return _in_flow(text, root, f"{section}: {{{name}: {value}}}")
        gap = "" if text.endswith(("\n", "\r")) else line_end
        return f"{text}{gap}{section}:{line_end}  {name}: {value}{line_end}"
    key, inner = found
    indent = " " * (key.start_mark.column + 2)
    if isinstance(inner, yaml.MappingNode):
        old = _entry(inner, name)
        if old is not None:
            return _replaced(text, old[1], value)
        if inner.flow_style:
            return _in_flow(text, inner, f"{name}: {value}")
        indent = " " * inner.start_mark.column
        # below the section's own line, above whatever comments its first setting has
        place = text.index("\n", key.end_mark.index) + 1
        return f"{text[:place]}{indent}{name}: {value}{line_end}{text[place:]}"
    if inner.value in ("", "~", "null"):
        return _replaced(text, inner, f"{line_end}{indent}{name}: {value}")
    base = text[inner.start_mark.index : inner.end_mark.index]
    lines = f"{line_end}{indent}base: {base}{line_end}{indent}{name}: {value}"
    return _replaced(text, inner, lines)


def _entry(mapping: Any, name: str) -> tuple[Any, Any] | None:
    """Return the key and value nodes of a name in a mapping."""
    return next(((key, value) for key, value in mapping.value if key.value == name), None)


def _replaced(text: str, node: Any, new: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    head = text[:start]
    if new.startswith(("\n", "\r")):
        head = head.rstrip(" ")
    elif start and not head[-1].isspace():
        new = f" {new}"  # an empty value stands directly behind its colon
    return head + new + text[end:]


def _in_flow(text: str, mapping: Any, entry: str) -> str:
    """Return the text with an entry at the front of a mapping in braces."""
    place = mapping.start_mark.index + 1
    separator = ", " if mapping.value else ""
    return f"{text[:place]}{entry}{separator}{text[place:]}"
