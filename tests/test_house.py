"""No circle of imports between files, no class name used twice, no file over 400 lines."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
LONGEST = 400


def _modules() -> dict[str, ast.Module]:
    """Return every module of the package, parsed, by its dotted name."""
    found = {}
    for path in SRC.rglob("*.py"):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def _imports(node: ast.AST, known: Collection[str]) -> set[str]:
    """Return what a tree imports, inside functions too, but not under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return set()
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        # `from package import name`: the name is a module, or is defined in the package
        full = [f"{node.module}.{alias.name}" for alias in node.names]
        return {name if name in known else str(node.module) for name in full}
    return set().union(*(_imports(child, known) for child in ast.iter_child_nodes(node)))


def _reachable(start: str, imports: dict[str, set[str]]) -> set[str]:
    """Return the modules that a module's imports lead to; itself only through a circle."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = imports[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def _faults() -> set[str]:
    modules = _modules()
    imports = {
        name: (_imports(tree, modules) & modules.keys()) - {name} for name, tree in modules.items()
    }
    reach = {name: _reachable(name, imports) for name in modules}
    circles = {
        ", ".join(sorted(other for other in reach[name] if name in reach[other]))
        for name in modules
        if name in reach[name]
    }
    classes = Counter(
        node.name
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in SRC.rglob("*.py")}
    return {
        *(f"circle of imports: {circle}" for circle in circles),
        *(f"class name used twice: {name}" for name, count in classes.items() if count > 1),
        *(
            f"over {LONGEST} lines: {path.relative_to(SRC)}"
            for path, count in lines.items()
            if count > LONGEST
        ),
    }


def test_the_house_stands():
    assert not _faults(), "break these up"
