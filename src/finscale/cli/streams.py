"""Standard input, output and error in whatever state the shell hands them over."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Callable

from finscale.errors import FinscaleError

#: What a shell reports of a program whose reader has gone.
SIGPIPE_STATUS = 128 + 13

_HANDLER = "finscale.signs"
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))

#: What stands for a sign where the terminal's encoding lacks it.
_SIGNS = {
    **dict.fromkeys("·–—−‑─━╸╺", "-"),
    **dict.fromkeys("│┃┤├", "|"),
    **dict.fromkeys("‘’′", "'"),
    **dict.fromkeys("“”„«»", '"'),
    **{"…": "...", "×": "x", "÷": "/", "±": "+-", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!="},
    **{"→": "->", "←": "<-", "↑": "^", "↓": "v", "✓": "ok", "✗": "x", "•": "*", "°": "deg"},
    **{"∞": "inf", "√": "sqrt", "Δ": "D", "α": "alpha", "β": "beta", "λ": "lambda", "ρ": "rho"},
    **{"σ": "sigma", "τ": "tau", "χ": "chi", "μ": "u", "µ": "u", "η": "eta", "θ": "theta"},
    **{"€": "EUR", "£": "GBP", "¥": "JPY", "ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O"},
}
_BRAILLE, _SURROGATES = range(0x2800, 0x2900), range(0xDC80, 0xDD00)


def prepare_streams() -> None:
    """Open closed streams on the null device, and make no sign an error.

    Without the first, the next file that is opened would become standard output. The second goes
    for terminals in ASCII or cp1252, and for names of files that are no text.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    codecs.register_error(_HANDLER, _replaced)
    for call in ("write", "flush"):
        setattr(sys.stdout, call, _or_one_sentence(getattr(sys.stdout, call)))
    for stream in (sys.stdout, sys.stderr):
        # what the user has chosen, such as PYTHONIOENCODING=ascii:replace, stays
        if getattr(stream, "errors", "") in ("strict", "surrogateescape", "backslashreplace"):
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors=_HANDLER)  # type: ignore[union-attr]


def _or_one_sentence(call: Callable[..., int | None]) -> Callable[..., int | None]:
    """Return a call that says what is full, instead of an error that names no file."""

    def called(*arguments: str) -> int | None:
        try:
            return call(*arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FinscaleError(
                f"standard output cannot be written: {error.strerror or error}.",
                hint="what the command had stored stays: see `finscale data list` and "
                "`finscale runs list`",
            ) from error

    return called


def plain(sign: str) -> str:
    """Return what stands for a sign in ASCII.

    Examples
    --------
    >>> "".join(map(plain, "p ≤ .05 · Zürich …"))
    'p <= .05 - Zurich ...'
    """
    if sign.isascii() or sign in _SIGNS:
        return _SIGNS.get(sign, sign)
    if ord(sign) in _BRAILLE:
        return " " if ord(sign) == _BRAILLE[0] else "*"
    if ord(sign) in _SURROGATES:  # a byte in a file's name that is no text
        return f"\\x{ord(sign) - 0xDC00:02x}"
    parts = unicodedata.normalize("NFKD", sign)
    return "".join(part for part in parts if part.isascii()) or "?"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = "".join(map(plain, error.object[error.start : error.end]))
    # close·1.01 is a product; a dash would make it a difference
    before, after = error.object[: error.start][-1:], error.object[error.end :][:1]
    if error.object[error.start : error.end] == "·" and f"{before}{after}".isalnum():
        signs = "*"
    return signs, error.end


def check_output() -> None:
    """Raise if nothing can be written to standard output, before a verb stores anything.

    Of a disk only ``/dev/full`` says so before there is something to write.
    """
    try:
        os.write(1, b"")
    except OSError as error:
        raise FinscaleError(
            f"standard output cannot be written: {error.strerror}. Nothing was done."
        ) from error


def say_error(error: FinscaleError) -> None:
    """Print an error on standard error, if anything can be printed there."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.flush()


def drop_output() -> None:
    """Write what is still in standard output's buffer, or send it to the null device."""
    try:
        sys.stdout.flush()
    except (OSError, FinscaleError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        sys.stdout.flush()
