"""What a process keeps of what it has read: bounded by number and by bytes."""

from finscale.experiment.kept import Kept


def asked(kept: Kept[bytes], *keys: str, size: int = 1) -> list[str]:
    """Ask for values of so many bytes; return the keys of those that had to be made."""
    made: list[str] = []
    for key in keys:
        kept.get(key, lambda key=key: (made.append(key), b"x" * size)[1])
    return made


def test_the_last_ones_stay_and_the_oldest_go():
    kept = Kept(most=2, most_bytes=100, size=len)
    assert asked(kept, "a", "b", "a", "b", "c", "b", "a") == ["a", "b", "c", "a"]


def test_a_large_one_is_kept_alone_and_its_successor_finds_room_made():
    kept = Kept(most=3, most_bytes=100, size=len)
    assert asked(kept, "a", "b", "c", size=30) == ["a", "b", "c"]
    assert asked(kept, "large", "large", size=500) == ["large"]
    assert len(kept) == 1
    # when the next one is made the large one is gone already
    there = []
    kept.get("next", lambda: (there.append(len(kept)), b"x")[1])
    assert there == [0]


def test_small_ones_do_not_drive_each_other_out():
    kept = Kept(most=2, most_bytes=100, size=len)
    assert asked(kept, "a", "b", "a", "b", size=50) == ["a", "b"]
    assert asked(kept, "c", "b", size=51) == ["c", "b"]
