"""Tables for papers: LaTeX with booktabs."""

from __future__ import annotations

from finscale.report.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "∞": r"$\infty$",
    "²": "$^2$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
}


def latex(words: str) -> str:
    r"""Return words with every character that LaTeX would take as a command escaped.

    Examples
    --------
    >>> print(latex("base_rate −5 %"))
    base\_rate $-$5 \%
    """
    return "".join(_SPECIAL.get(character, character) for character in words)


def latex_table(table: Table) -> str:
    r"""Return a ``tabular`` with booktabs rules, to be ``\input`` in a table environment.

    Needs ``\usepackage{booktabs}``, and ``amssymb`` for check marks.
    """
    kinds = "".join("r" if column.numeric else "l" for column in table.columns)
    heads = " & ".join(latex(column.title) for column in table.columns)
    rows = [" & ".join(map(latex, row)) + r" \\" for row in table.rows]
    return "\n".join(
        [
            f"% {latex(table.title)}; needs booktabs and amssymb",
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            rf"{heads} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
