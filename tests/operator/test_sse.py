"""Parsing server-sent events, however the bytes are cut."""

from __future__ import annotations

import pytest

from penstock_operator.sse import Event, Parser

STREAM = (
    b': hello\nid: 1\ndata: {"a": 1}\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\n'
    b"event: penstock.gap\nid: 3\ndata: {}\n\nretry: 1500\nid: 4\n\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    parser = Parser()
    events = [event for at in range(0, len(STREAM), size) for event in parser.feed(STREAM[at : at + size])]
    assert events == [Event('{"a": 1}'), Event("x\ny"), Event("{}", "penstock.gap")]
    assert (parser.last_id, parser.retry) == ("4", 1.5)


def test_an_incomplete_event_is_dropped_with_the_connection() -> None:
    parser = Parser()
    assert list(parser.feed(b"id: 1\ndata: x\n\nid: 2\ndata: half")) == [Event("x")]
    assert parser.last_id == "1"
    parser.cut()
    assert list(parser.feed(b"data: whole\n\n")) == [Event("whole")]
