"""The three parameter counts that every run records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ParameterCounts:
    """The three counts that every run records.

    Attributes
    ----------
    total : int
        All parameters.
    non_embedding : int
        Without the input side: embeddings of features, patches, positions and statistics.
    input_and_head : int
        The input side and the head: all that depends on the features and the task.
    """

    total: int
    non_embedding: int
    input_and_head: int

    @classmethod
    def of(cls, *, inputs: int, body: int, head: int) -> ParameterCounts:
        """Return the counts of a network whose three parts are counted."""
        return cls(inputs + body + head, body + head, inputs + head)
