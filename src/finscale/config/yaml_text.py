"""YAML as files of settings have it: a name that stands twice in one section is refused.

YAML's own reader keeps the last of them and drops the others in silence.
"""

from __future__ import annotations

from typing import Any

import yaml


class _OnceLoader(yaml.SafeLoader):
    """The safe loader, for sections whose names are each there once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a section; what comes in by ``<<`` may be named again."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    problem = f"{key.value} stands there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises
    ------
    yaml.YAMLError
        If it is no YAML, or a section has a name twice.

    Examples
    --------
    >>> parse_yaml("features: [rsi_14, obv]")
    {'features': ['rsi_14', 'obv']}
    """
    return yaml.load(text, Loader=_OnceLoader)  # noqa: S506 (a SafeLoader)


def yaml_problem(error: yaml.YAMLError) -> tuple[str, str]:
    """Return where a text is no YAML, ``line 2, column 1`` or nothing, and what is wrong."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return where, getattr(error, "problem", None) or "cannot be parsed"
