"""What runs on the nodes say, gathered beside the study: one small Ray actor."""

from __future__ import annotations

import asyncio
from typing import Any

#: Number of the task, kind, place in its order, facts, files.
Message = tuple[int, str, int, dict[str, Any], dict[str, Any]]


class Inbox:
    """Keeps messages until the study takes them; its methods are those of an async actor."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._there = asyncio.Event()

    async def put(self, message: Message) -> None:
        """Add a message; who waits for the answer knows that it outlives its own node."""
        self._messages.append(message)
        self._there.set()

    async def take(self, seconds: float) -> list[Message]:
        """Return all messages as soon as there is one, or after so many seconds."""
        try:
            await asyncio.wait_for(self._there.wait(), seconds)
        except TimeoutError:
            return []
        taken, self._messages = self._messages, []
        self._there.clear()
        return taken
