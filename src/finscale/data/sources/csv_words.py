"""What a column's name means: the table of header words of ``header_words.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Letters that Unicode does not take apart into a plain one and a mark.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae"})
_BRACKETS = re.compile(r"\(.*?\)|（.*?）|\[.*?\]")
# What the bytes of an accented letter become: Ã¶, Å›, Ä™.
_SCRAMBLED = re.compile(r"[ÃÅÄÂÐÑĂĹ].")
# Around a close's name: the close adjusted.
_ADJUSTED_WORDS = re.compile(
    r"adj(usted|ustment|ust)?|bereinigt(er)?|ajust(ee?|ado|ada)?|aggiustat[ao]|rettificat[ao]|skorygowan[ey]"
    r"|justerad|justeret|justert|aangepaste?|duzeltilmis|скоррект[а-я]*|скорр|調整[後値]*|调整后?|[前后後]?复权|수정"
)
# Yahoo's page explains in the header: "Clôture Cours de clôture ajusté en fonction des …".
_EXPLAINED = re.compile(
    r"split|fraction|frazion|dividend|adjust|ajust|bereinigt|rettific|aggiust|aangepast|düzelt"
    r"|skoryg|разделен|дроблен|分割|拆",
    re.IGNORECASE,
)
_FEWEST_WORDS = 4
_ADJUSTED = re.compile(r"\w\s*[(\[（](adj|bereinigt|skoryg|复权|ajust)", re.IGNORECASE)


@dataclass(frozen=True)
class Meaning:
    """What one column's name says."""

    field: str
    """Such as ``close``; a heading of the table of words."""
    weak: bool = False
    """Whether another column of the field, with a better name, comes first: Price beside Close."""


def bare(name: str) -> str:
    """Return a name in small letters only, without accents, digits, signs and brackets."""
    name = _unscrambled(name)
    if _ADJUSTED.search(name):
        name = f"adj {name}"  # Close (adj.) is no close
    inner = name if name.startswith("(") else _BRACKETS.sub("", name)
    apart = unicodedata.normalize("NFKD", inner.casefold())
    plain = "".join(char for char in apart if not unicodedata.combining(char))
    joined = unicodedata.normalize("NFC", plain).translate(_PLAIN)
    return "".join(char for char in joined if char.isalpha())


def _unscrambled(name: str) -> str:
    """Return ``Eröffnung`` for ``ErÃ¶ffnung``: UTF-8 that was read as another encoding."""
    if not _SCRAMBLED.search(name):
        return name
    for encoding in ("cp1252", "latin-1", "cp1250"):
        try:
            return name.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return name


@cache
def words() -> dict[str, tuple[Meaning, ...]]:
    """Return the meanings of every bare name, in the order of the table."""
    table = tomllib.loads(
        files("finscale.data.sources").joinpath("header_words.toml").read_text("utf-8")
    )
    found: dict[str, dict[str, Meaning]] = {}
    for field, lists in table.items():
        for kind in ("words", "weak"):
            for word in lists.get(kind, ()):
                meaning = Meaning(field, weak=kind == "weak")
                found.setdefault(bare(word), {}).setdefault(field, meaning)
    return {name: tuple(meanings.values()) for name, meanings in found.items()}


def _known(name: str) -> tuple[Meaning, ...]:
    """Return all that the table says of a name; of a close with ``adjusted`` around it too."""
    plain = bare(name)
    if plain in words():
        return words()[plain]
    rest, adjusted = _ADJUSTED_WORDS.subn("", plain, count=1)
    close = words().get(rest, ()) if adjusted else ()
    if any(each.field == "close" for each in close):
        return (Meaning("adj_close"),)
    return _explained(name)


def _explained(name: str) -> tuple[Meaning, ...]:
    """Return what the first words of a close's name mean, where an explanation follows them."""
    parts = name.split()
    if len(parts) < _FEWEST_WORDS or not _EXPLAINED.search(name):
        return ()
    for length in range(min(3, len(parts) - 2), 0, -1):
        found = _known(" ".join(parts[:length]))
        if any(each.field in ("close", "adj_close") for each in found):
            return found
    return ()


def meanings(name: str) -> tuple[Meaning, ...]:
    """Return all that a name can mean as a column."""
    return tuple(each for each in _known(name) if each.field not in ("qualifier", "unit", "title"))


def meaning(name: str, *fields: str) -> Meaning | None:
    """Return what a name means; only one of ``fields`` if any are given."""
    return next((each for each in _known(name) if not fields or each.field in fields), None)


def means(name: str, *fields: str) -> bool:
    """Tell whether a name is one of the words of any of ``fields``."""
    return meaning(name, *fields) is not None
