"""What every section of a config shares: frozen, no unknown key, marked fields, canonical form.

Each field says what it is. **Science** can change a result by design and is part of a run's
identity; a field without a mark is science. **Placement** says where and how the work is computed;
it is recorded and never hashed. A **label** names or mirrors a run and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Role = Literal["science", "placement", "label"]


@dataclass(frozen=True)
class Mark:
    """What a field of a config is.

    Parameters
    ----------
    role : {"science", "placement", "label"}
        Whether it enters a run's identity, is recorded only, or names the run.
    per_replica : bool
        Whether the trainings of one ensemble may differ in it.
    """

    role: Role = "science"
    per_replica: bool = False


def placement() -> Mark:
    """Mark a field that says where and how the work is computed."""
    return Mark("placement")


def label() -> Mark:
    """Mark a field that names or mirrors a run."""
    return Mark("label")


def per_replica() -> Mark:
    """Mark a field of science in which the trainings of one ensemble may differ."""
    return Mark(per_replica=True)


def mark_of(field: FieldInfo) -> Mark:
    """Return a field's mark; science where it has none."""
    return next((mark for mark in field.metadata if isinstance(mark, Mark)), Mark())


class Section(BaseModel):
    """A frozen section of a config; unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )

    def part(self, role: Role, *, per_replica: bool = True) -> dict[str, Any]:
        """Return the settings of one role as plain JSON values, sections nested.

        Parameters
        ----------
        role : {"science", "placement", "label"}
            Which settings. A section inside this one that is marked itself counts whole; one
            without a mark is taken apart by its own fields.
        per_replica : bool
            Keep the settings in which the trainings of one ensemble may differ.
        """
        dumped = self.model_dump(mode="json")
        found: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            mark, value = mark_of(field), getattr(self, name)
            if isinstance(value, Section) and mark.role == "science":
                inner = value.part(role, per_replica=per_replica)
                if inner or role == "science":
                    found[name] = inner
            elif mark.role == role and (per_replica or not mark.per_replica):
                found[name] = dumped[name]
        return found


def marks(kind: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Mark]]:
    """Yield every setting of a config by its dotted name, with its mark.

    A section that is marked itself stands for all of its settings. Of a section that has several
    kinds, as a model's has, the settings of every kind are told.
    """
    for name, field in kind.model_fields.items():
        mark, inner = mark_of(field), sections_in(field.annotation)
        if not inner or mark.role != "science":
            yield f"{prefix}{name}", mark
            continue
        kinds = [one for section in inner for one in _kinds_of(section)]
        yield from dict.fromkeys(
            found for section in kinds for found in marks(section, f"{prefix}{name}.")
        )


def _kinds_of(section: type[BaseModel]) -> list[type[BaseModel]]:
    return [section, *(one for kind in section.__subclasses__() for one in _kinds_of(kind))]


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that an annotation admits, however it wraps them, and their kinds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kinds = [one for kind in annotation.__subclasses__() for one in sections_in(kind)]
        return [annotation, *kinds]
    return [section for part in get_args(annotation) for section in sections_in(part)]


def canonical_json(content: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal content gives equal text."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def content_hash(content: Any) -> str:
    """Return the SHA-256 (hex) of the canonical JSON of ``content``."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
