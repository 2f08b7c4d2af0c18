import subprocess
import sys

import pytest

from finscale.training import allocator
from finscale.training.allocator import keep_freed_memory, release_freed_memory

ON_GLIBC = allocator.platform.libc_ver()[0] == "glibc"

#: Allocates and frees 100 MB twenty times, and prints the pages that it had to fault in.
FAULTS = """
import resource, sys, torch
from finscale.training.allocator import keep_freed_memory
if {keep}: assert keep_freed_memory()
torch.set_num_threads(1)
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(25_000_000)
before = faults()
for _ in range(20): torch.ones(25_000_000)
print(faults() - before)
"""


@pytest.mark.skipif(not ON_GLIBC, reason="needs glibc")
def test_freed_memory_is_used_again_without_faults() -> None:
    def count(keep: bool) -> int:
        run = subprocess.run(
            [sys.executable, "-c", FAULTS.format(keep=keep)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(run.stdout)

    without, kept = count(False), count(True)
    # until the heap has found its shape some blocks still do not fit where another one lay
    assert kept < without / 2


#: Keeps 400 MB that were freed below a block that is still in use, then gives them back.
RELEASE = """
import psutil, torch
from finscale.training.allocator import keep_freed_memory, release_freed_memory
assert keep_freed_memory()
def held(): return psutil.Process().memory_info().rss
before = held()
large = torch.ones(100_000_000)
above = torch.ones(1_000_000)
del large
kept = held() - before
assert release_freed_memory()
print(kept, held() - before)
"""


@pytest.mark.skipif(not ON_GLIBC, reason="needs glibc")
def test_what_a_training_leaves_is_given_back() -> None:
    run = subprocess.run(
        [sys.executable, "-c", RELEASE], capture_output=True, text=True, check=True
    )
    kept, left = map(int, run.stdout.split())
    assert kept > 350e6
    assert left < 100e6


def test_nothing_happens_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
    assert not release_freed_memory()
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_a_choice_in_the_environment_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TOP_PAD_", "0")
    assert not keep_freed_memory()
