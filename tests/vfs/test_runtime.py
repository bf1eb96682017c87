"""The runtime of simulated lives: what it draws follows from its seed, however much that is."""

from chaoswal.vfs.runtime import StillRuntime


def test_what_is_drawn_follows_from_the_seed() -> None:
    runtime = StillRuntime(7)
    pieces = [runtime.entropy(16) for _ in range(100)]
    assert b"".join(pieces) == StillRuntime(7).entropy(1600)
    assert len(set(pieces)) == 100
    assert pieces[0] != StillRuntime(8).entropy(16)
