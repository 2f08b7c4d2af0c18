"""What every section of a config shares: frozen, no unknown key, marked fields, canonical form.

Each field says what it is. **Science** can change a result by design and is part of a run's
identity; a field without a mark is science. **Placement** says where and how the work is computed;
it is recorded and never hashed. A **label** names or mirrors a run and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from finscale.errors import ConfigError, SettingError, did_you_mean

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

Role = Literal["science", "placement", "label"]
#: What a name may be that becomes a file's or a folder's.
NAME_FORM = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


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


class _Spoken(ModelMetaclass):
    """Makes of every mistake in ``ExperimentConfig(…)`` the sentence that a file's would get."""

    if not TYPE_CHECKING:

        def __call__(cls, *unnamed: Any, **settings: Any) -> Any:  # noqa: N805 (a class's)
            if unnamed:
                raise SettingError(
                    f"{cls.__name__} takes its settings by name, not {unnamed[0]!r}.",
                    hint=_by_name(cls, unnamed[0]),
                )
            try:
                return super().__call__(**settings)
            except ValidationError as error:
                # a floor up: which setting was meant has to be known there
                explain = import_module("finscale.config.mistakes").explain
                raise explain(cls, settings, error, f"{cls.__name__}(…)") from None


def _by_name(kind: type[BaseModel], given: object) -> str:
    if isinstance(given, dict):
        return f"{kind.__name__}(**settings) takes a dict of them"
    if hasattr(kind, "from_file"):
        return f"{kind.__name__}.from_file({given!r}) reads a file or a recipe"
    return f"{kind.__name__}({next(iter(kind.model_fields), '')}={given!r})"


class Section(BaseModel, metaclass=_Spoken):
    """A frozen section of a config; unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None:
            """Refuse to change what a run's identity is made of."""
            if name.startswith("_"):
                return super().__setattr__(name, value)
            kind = type(self).__name__
            raise SettingError(
                f"{kind} is fixed once it is made: {name} cannot be set to {value!r}.",
                hint=f"{kind}({name}=…) makes another, and .model_copy(update={{'{name}': …}}) a "
                "changed copy",
            )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some settings changed; their values are not checked again.

        Raises
        ------
        ConfigError
            If one is no setting of this section.
        """
        for name in update or ():
            if name not in type(self).model_fields:
                raise ConfigError(
                    f"{name} is not a setting of {type(self).__name__}.",
                    hint=did_you_mean(name, type(self).model_fields),
                )
        return super().model_copy(update=update, deep=deep)

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
