"""Contenders in processes of their own: each line asked for is answered by a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from finscale.spinning import limited_spinning


class Worker:
    """A script started as ``script --worker words``, which serves until the block ends.

    Parameters
    ----------
    script : str
        The benchmark's own file.
    words : sequence of str
        Which contender.
    stack : ExitStack
        The block.
    is_ours : bool
        Whether its threads wait as the command line lets its own trainings' wait; peers have
        OpenMP's default.
    """

    def __init__(
        self, script: str, words: Sequence[str], stack: ExitStack, *, is_ours: bool
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", script, "--worker", *words],
            env={**os.environ, **(limited_spinning(os.environ) if is_ours else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(self._end)
        self.about: dict[str, Any] = self._read()

    def ask(self, what: object) -> dict[str, Any]:
        """Send a line and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a contender died: its message stands above")
        found: dict[str, Any] = json.loads(line)
        return found

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(about: dict[str, Any], answer: Callable[[str], dict[str, Any]]) -> None:
    """Say what this contender is, then answer each line until there are no more."""
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.strip())), flush=True)
