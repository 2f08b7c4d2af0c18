"""Standard input, output and error in whatever state the shell hands them over."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata

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
    for stream in (sys.stdout, sys.stderr):
        # what the user has chosen, such as PYTHONIOENCODING=ascii:replace, stays
        if getattr(stream, "errors", "") in ("strict", "surrogateescape", "backslashreplace"):
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors=_HANDLER)  # type: ignore[union-attr]


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
    return "".join(map(plain, error.object[error.start : error.end])), error.end


def say_error(error: FinscaleError) -> None:
    """Print an error on standard error, if anything can be printed there."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.flush()


def unwritable_output(error: OSError) -> FinscaleError | None:
    """Return the error to show if it is standard output that cannot be written; else None."""
    try:
        os.write(1, b"")
        sys.stdout.flush()  # what could not be written is still in the buffer
    except OSError:
        reason = error.strerror or str(error)
        return FinscaleError(
            f"standard output cannot be written: {reason}.",
            hint="what the command stored before that stays: see `finscale data list` and "
            "`finscale runs list`",
        )
    return None


def drop_output() -> None:
    """Send what is still in standard output's buffer to the null device."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        sys.stdout.flush()
