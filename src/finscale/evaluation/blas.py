"""How many threads matrix products take while scores are computed: one."""

from __future__ import annotations

from contextlib import AbstractContextManager


def one_blas_thread() -> AbstractContextManager[object]:
    """Compute products with one BLAS thread inside the block.

    With more, a sum over rows is split by the number of cores: its last digit would be the
    machine's (1e-15 of a value). The products here are also too thin to share: beside a busy
    neighbour, two threads that wait for one another took twice the CPU time of one.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits
