"""The ring: what it keeps, and where a cursor is no longer covered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_gateway.hub import encoding
from penstock_gateway.hub.encoding import Slice
from penstock_gateway.hub.ring import Frame, Ring
from penstock_gateway.hub.wires import Raw
from penstock_gateway.positions import Cursor, merged

SOURCES = ["t/0", "t/1", "t/2"]
WAVES = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(1, 40), st.sets(st.integers(0, 39))), min_size=1, max_size=60
)


class Names(Raw):
    """A wire format that shows bodies alone."""

    def __init__(self) -> None:
        super().__init__(chunked=False)


def filled(
    waves: list[tuple[str, int, set[int]]], history: float = 1e9, size: int = 10**9, gap: float = 0.0
) -> tuple[Ring, list[str]]:
    """A ring that took the waves (source, count, which are filtered), and all bodies in order."""
    ring, now, bodies = Ring(history, size, 0.0), 0.0, []
    ring.learn(dict.fromkeys(SOURCES, 0))
    for source, count, filtered in waves:
        start = ring.vector[source]
        names = [f"{source}:{offset}" for offset in range(start, start + count) if offset - start not in filtered]
        frames = [Frame(name.encode(), source, int(name.partition(":")[2]), ends=False) for name in names]
        ring.complete(frames, {source: start + count}, False, now)
        bodies += names
        now += gap
        ring.trim(ring.next, now)
    return ring, bodies


@settings(max_examples=60)
@given(WAVES, st.dictionaries(st.sampled_from(SOURCES), st.integers(0, 300)))
def test_what_a_cursor_does_not_cover_is_found_in_order(
    waves: list[tuple[str, int, set[int]]], wish: dict[str, int]
) -> None:
    ring, bodies = filled(waves)
    vector = {source: min(wish.get(source, 0), ring.vector[source]) for source in SOURCES}
    start = ring.locate(Cursor(vector))
    place = Slice(b"", start, dict(vector), {})
    got = b""
    while place.end < ring.next:
        place = encoding.own(ring, Names(), None, place, ring.turn_of(place.end))
        got += place.data
    assert got.decode().split() == [
        body for body in bodies if int(body.partition(":")[2]) >= vector[body.partition(":")[0]]
    ]
    assert place.vector == ring.vector


@settings(max_examples=60)
@given(WAVES, st.integers(0, 400))
def test_slices_from_anywhere_are_the_tail(waves: list[tuple[str, int, set[int]]], skip: int) -> None:
    ring, bodies = filled(waves)
    place = Slice(b"", 0, dict.fromkeys(SOURCES, 0), {})
    first = encoding.shared(ring, Names(), None, place, min(skip, ring.next), 10**9)
    rest = encoding.shared(ring, Names(), None, first, ring.next, 10**9)
    assert (first.data + rest.data).decode().split() == bodies
    assert rest.vector == ring.vector


@settings(max_examples=60)
@given(WAVES, st.integers(1000, 100_000))
def test_size_bounds_what_is_kept_and_the_base_says_what_is_missing(
    waves: list[tuple[str, int, set[int]]], size: int
) -> None:
    ring, bodies = filled(waves, size=size)
    assert ring.bytes <= size
    held = (
        encoding.shared(ring, Names(), None, Slice(b"", ring.first, dict(ring.base), {}), ring.next, 10**9)
        .data.decode()
        .split()
    )
    assert held == bodies[len(bodies) - len(held) :]
    missing = [body for body in bodies[: len(bodies) - len(held)]]
    assert all(Cursor(ring.base).covers(body.partition(":")[0], int(body.partition(":")[2])) for body in missing)
    assert not any(Cursor(ring.base).covers(body.partition(":")[0], int(body.partition(":")[2])) for body in held)


def test_time_bounds_what_is_kept() -> None:
    ring, _ = filled([("t/0", 1, set())] * 100, history=16.0, gap=1.0)
    assert 15 <= ring.next - ring.first <= 18
    ring.trim(ring.next, 1000.0)
    assert (ring.first, ring.bytes) == (ring.next, 0)
    assert ring.base == ring.vector


def test_what_a_pass_still_needs_stays() -> None:
    ring, _ = filled([("t/0", 40, set())])
    ring.history, ring.size = 0.0, 0
    ring.trim(10, 1000.0)
    assert ring.first <= 10


def test_frames_out_of_order_are_a_group() -> None:
    ring = Ring(1e9, 10**9, 0.0)
    ring.learn({"t/0": 0})
    frames = [Frame(name.encode(), "t/0", int(name), ends=False) for name in "1021"]
    ring.complete(frames, {"t/0": 3}, False, 0.0)
    taken = encoding.shared(ring, Names(), None, Slice(b"", 0, {"t/0": 0}, {}), 3, 10**9)
    assert taken.vector == {"t/0": 0}
    assert encoding.own(ring, Names(), None, Slice(b"", 0, {"t/0": 2}, {}), ring.next).data == b"1\n0\n2\n1\n"
    assert encoding.own(ring, Names(), None, Slice(b"", 0, {"t/0": 3}, {}), ring.next).data == b""
    assert merged(taken.vector, ring.vector) == {"t/0": 3}
