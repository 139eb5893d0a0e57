"""Cursors: whatever is signed comes back as it was, nothing else is read, and four partitions fit into 64 characters."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_gateway.positions import (
    Cursor,
    CursorError,
    Layout,
    Pen,
    Seal,
    ahead,
    behind,
    fingerprint,
    merged,
    topic_of,
)

KEY, OLD = b"current", b"previous"
PIPELINE = fingerprint("a pipeline")
TOPICS = st.sampled_from(["orders", "returns", "a.b-c_d"])
SOURCES = st.one_of(
    st.builds(lambda topic, partition: f"{topic}/{partition}", TOPICS, st.integers(0, 300)),
    st.sampled_from(["label", "other_label"]),
)
VECTORS = st.dictionaries(SOURCES, st.integers(0, 2**62), min_size=1, max_size=12)


def pen(vector: dict[str, int], seal: Seal | None = None, epochs: dict[str, str] | None = None) -> Pen:
    return Pen(seal or Seal([KEY, OLD], "shop/orders", "live"), Layout(vector, epochs), PIPELINE)


@given(VECTORS, st.data())
def test_a_cursor_comes_back_as_it_was(vector: dict[str, int], data: st.DataObject) -> None:
    parts = {
        source: data.draw(st.integers(1, 300))
        for source in data.draw(st.sets(st.sampled_from(sorted(vector)), max_size=3))
    }
    writer = pen(vector)
    match = writer.seal.open(writer.write(Cursor(vector, parts))).match(writer.layout, PIPELINE)
    assert match.cursor == Cursor(vector, parts)
    assert not match.renewed
    assert not match.strange


@given(st.lists(st.integers(0, 2**42 - 1), min_size=4, max_size=4), st.integers(0, 3), st.integers(1, 127))
def test_four_partitions_fit_into_64_characters(offsets: list[int], partition: int, k: int) -> None:
    vector = {f"orders/{number}": offset for number, offset in enumerate(offsets)}
    assert len(pen(vector, epochs={"orders": "x" * 22}).write(Cursor(vector, {f"orders/{partition}": k}))) <= 64


@given(VECTORS, VECTORS)
def test_moving_one_source_is_the_same_as_writing_anew(vector: dict[str, int], later: dict[str, int]) -> None:
    writer = pen(vector)
    writer.start(vector)
    moved = dict(vector)
    for source, offset in later.items():
        writer.move(source, offset)
        if source in moved:
            moved[source] = offset
    assert writer.text() == pen(vector).write(Cursor(moved))


@given(VECTORS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_cursor_is_refused(vector: dict[str, int], place: int, flip: int) -> None:
    """S-41: garbage."""
    text = pen(vector).write(Cursor(vector))
    data = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    data[place % len(data)] ^= flip
    with pytest.raises(CursorError) as caught:
        pen(vector).seal.open(base64.urlsafe_b64encode(bytes(data)).rstrip(b"=").decode())
    assert caught.value.reason == "foreign"


@pytest.mark.parametrize(
    "text", ["a", "garbage!", "né", "A" * 100_000, "\n", "AAAA\r\nid: 1", "=", "-1", "AAAAAAAAAAA"]
)
def test_what_is_no_cursor_is_malformed(text: str) -> None:
    """S-41: garbage, 1 MB, with newline, negative."""
    with pytest.raises(CursorError) as caught:
        Seal([KEY], "shop/orders", "live").open(text)
    assert caught.value.reason == "malformed"


@given(st.binary(max_size=80))
def test_a_signed_payload_of_any_bytes_is_read_or_refused(payload: bytes) -> None:
    seal = Seal([KEY], "shop/orders", "live")
    with contextlib.suppress(CursorError):
        seal.open(seal.text(b"\x01" + payload)).match(Layout(["orders/0"]))


def test_a_cursor_of_another_stream_or_api_is_foreign() -> None:
    """S-41: of another stream."""
    vector = {"orders/0": 7}
    text = pen(vector).write(Cursor(vector))
    for api, stream in (("shop/orders", "other"), ("shop/returns", "live"), ("shop", "orders\0live")):
        with pytest.raises(CursorError) as caught:
            Seal([KEY], api, stream).open(text)
        assert caught.value.reason == "foreign"


def test_the_previous_signing_key_still_opens() -> None:
    vector = {"orders/0": 7}
    text = pen(vector, Seal([OLD], "shop/orders", "live")).write(Cursor(vector))
    assert pen(vector).seal.open(text).match(Layout(vector)).cursor.vector == vector
    with pytest.raises(CursorError):
        Seal([KEY], "shop/orders", "live").open(text)


def test_an_older_form_is_old() -> None:
    seal = Seal([KEY], "shop/orders", "live")
    with pytest.raises(CursorError) as caught:
        seal.open(seal.text(b"\x00\x00"))
    assert caught.value.reason == "old"


def test_partitions_that_are_new_since_are_all_to_come() -> None:
    """S-41: other partition count."""
    writer = pen({"orders/0": 7})
    match = writer.seal.open(writer.write(Cursor({"orders/0": 7}))).match(Layout(["orders/0", "orders/1"]))
    assert match.cursor.vector == {"orders/0": 7, "orders/1": 0}


def test_a_topic_made_anew_is_told_from_a_new_one() -> None:
    writer = pen({"orders/0": 7}, epochs={"orders": "one"})
    claim = writer.seal.open(writer.write(Cursor({"orders/0": 7})))
    anew = claim.match(Layout(["orders/0"], {"orders": "two"}))
    assert anew.renewed == {"orders"}
    assert not anew.cursor.vector
    assert claim.match(Layout(["orders/0", "returns/0"], {"orders": "one"})).cursor.vector == {"orders/0": 7}
    assert claim.match(Layout(["returns/0"])).strange


def test_parts_count_only_under_the_same_pipeline() -> None:
    writer = pen({"orders/0": 7})
    claim = writer.seal.open(writer.write(Cursor({"orders/0": 7}, {"orders/0": 2})))
    assert claim.match(writer.layout, PIPELINE).cursor.parts == {"orders/0": 2}
    assert not claim.match(writer.layout, fingerprint("another")).cursor.parts


def test_covers() -> None:
    cursor = Cursor({"orders/0": 7}, {"orders/0": 2})
    assert [cursor.covers("orders/0", offset) for offset in (6, 7, 8)] == [True, True, False]
    assert [cursor.covers("orders/0", 7, k) for k in (0, 1, 2)] == [True, True, False]
    assert not cursor.covers("orders/1", 0)


@given(VECTORS, VECTORS)
def test_merging_covers_both_and_nothing_else(one: dict[str, int], other: dict[str, int]) -> None:
    both = merged(one, other)
    assert not ahead(one, both)
    assert not ahead(other, both)
    assert all(both[source] in (one.get(source), other.get(source)) for source in both)


def test_behind_names_what_is_missing() -> None:
    assert behind({"t/0": 3, "t/1": 9}, {"t/0": 5, "t/1": 9, "t/2": 4}) == {"t/0": (3, 5)}


def test_topic_of() -> None:
    assert [topic_of(source) for source in ("orders/3", "a.b/c/12", "label", "odd/x")] == [
        "orders",
        "a.b/c",
        "label",
        "odd/x",
    ]
