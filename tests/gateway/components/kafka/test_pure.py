"""Partitioners against known values, the reading of topics, the ledger's prefix, records as messages and back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from penstock_gateway.components.kafka.ledger import Ledger
from penstock_gateway.components.kafka.partitioners import fnv1a, murmur2, partitioner
from penstock_gateway.components.kafka.records import header_value, is_tombstone, messages_of, size_of
from penstock_gateway.components.kafka.topics import parse_topics
from penstock_gateway.registry import Delivery


@pytest.mark.parametrize(
    ("key", "number"),
    [  # from the Java client's own tests
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_the_java_clients(key: bytes, number: int) -> None:
    assert murmur2(key) == number & 0xFFFFFFFF
    assert partitioner("murmur2_hash", lambda: 0.0).choose(key, 10) == (number & 0x7FFFFFFF) % 10


@pytest.mark.parametrize(("key", "number"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_fnv1a_is_the_published_hash(key: bytes, number: int) -> None:
    assert fnv1a(key) == number


def test_fnv1a_hash_takes_the_absolute_value_of_a_signed_remainder() -> None:
    choose = partitioner("fnv1a_hash", lambda: 0.0).choose
    assert choose(b"a", 7) == 468965076 % 7  # 0xe40c292c is −468965076 as int32
    assert choose(b"foobar", 6) == 1080231576 % 6
    assert all(0 <= choose(str(n).encode(), 5) < 5 for n in range(1000))


@pytest.mark.parametrize("name", ["fnv1a_hash", "murmur2_hash", "random"])
def test_without_a_key_the_partition_is_random(name: str) -> None:
    draws = iter([0.0, 0.99, 0.5])
    choose = partitioner(name, lambda: next(draws)).choose
    assert [choose(None, 4) for _ in range(3)] == [0, 3, 2]


def test_round_robin_goes_round() -> None:
    choose = partitioner("round_robin", lambda: 0.0).choose
    assert [choose(b"k", 3) for _ in range(5)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("items", "whole", "explicit"),
    [
        (["foo"], ["foo"], {}),
        ([" foo, bar ", "baz "], ["foo", "bar", "baz"], {}),
        (["foo:5-7", "bar:0"], [], {"foo": [5, 6, 7], "bar": [0]}),
        (["foo:1,foo:0-2"], [], {"foo": [0, 1, 2]}),
    ],
)
def test_topics(items: list[str], whole: list[str], explicit: dict[str, list[int]]) -> None:
    assert parse_topics(items) == (whole, explicit)


@pytest.mark.parametrize(
    "items", [["foo", "bar:1"], ["foo:5:5"], ["foo:3-1"], [""], ["a b"], ["foo:x"], ["foo:0-99999"]]
)
def test_topics_that_cannot_be(items: list[str]) -> None:
    with pytest.raises(ValueError):
        parse_topics(items)


def records(*offsets: int, **fields: Any) -> list[Any]:
    given = {"topic": "t", "partition": 0, "key": None, "value": b"v", "timestamp": 1500, "headers": (), **fields}
    return [SimpleNamespace(offset=offset, **given) for offset in offsets]


def taken(ledger: Ledger) -> Any:
    found = ledger.take()
    assert found is not None
    found[1].delivery = Delivery([], lambda error: None)
    return found[1]


def test_d1_only_the_contiguous_prefix_may_be_committed() -> None:
    ledger = Ledger("t/0", 100)
    for n in range(3):
        ledger.fetched(records(n * 10, n * 10 + 7), 100)
    first, second, third = (taken(ledger) for _ in range(3))
    ledger.settle(third, None)
    ledger.settle(second, None)
    assert ledger.due is None
    ledger.settle(first, None)
    assert ledger.due == (28, 6)  # offsets have gaps: the one after the last record


def test_d1_a_refused_batch_is_never_passed() -> None:
    ledger = Ledger("t/0", 100)
    for n in range(3):
        ledger.fetched(records(n), 3)
    first, second, third = (taken(ledger) for _ in range(3))
    ledger.settle(first, None)
    ledger.settle(second, ValueError("refused"))
    ledger.settle(third, None)
    assert ledger.due == (1, 1)


def test_the_limit_bounds_what_a_crash_repeats() -> None:
    ledger = Ledger("t/0", 10)
    ledger.fetched(records(*range(24)), 24)
    first, second = taken(ledger), taken(ledger)
    assert (first.total, second.total, ledger.outstanding) == (5, 10, 10)
    assert ledger.take() is None
    assert not ledger.hungry
    ledger.settle(second, None)  # behind an open one: it would come again
    assert ledger.take() is None
    ledger.settle(first, None)
    assert ledger.take() is None  # settled, but not stored
    assert ledger.pressing
    assert ledger.due == (10, 10)
    ledger.committed(10)
    assert taken(ledger).following == 15


def test_without_stored_offsets_a_settled_message_is_done() -> None:
    ledger = Ledger("t/0", 1, stored=False)
    ledger.fetched(records(0, 1), 2)
    first = taken(ledger)
    assert ledger.take() is None
    ledger.settle(first, None)
    assert ledger.due is None
    assert taken(ledger).following == 2


def test_d4_after_a_revoke_nothing_counts_any_more() -> None:
    ledger = Ledger("t/0", 100)
    for n in range(3):
        ledger.fetched(records(n), 3)
    begun, waiting = taken(ledger), taken(ledger)
    begun.delivery.begun = True
    begun_delivery, waiting_delivery = begun.delivery, waiting.delivery
    ledger.withdraw()
    assert waiting_delivery.withdrawn
    assert not begun_delivery.withdrawn
    assert ledger.under_way
    assert ledger.take() is None
    ledger.settle(begun, None)
    assert not ledger.under_way
    assert ledger.due == (1, 1)
    ledger.revoke()
    ledger.settle(waiting, None)
    assert ledger.due is None


def test_metadata_as_bento_sets_it() -> None:
    found = records(7, key=b"k", timestamp=1_700_000_001_234, headers=(("a", b"1"), ("b", b"\xff"), ("a", b"2")))
    (message,) = messages_of(found, "t", 0, 10, multi_header=False)
    assert message.meta == {
        "a": "2", "b": b"\xff", "kafka_key": "k", "kafka_topic": "t", "kafka_partition": 0, "kafka_offset": 7, "kafka_lag": 2,
        "kafka_timestamp_unix": 1_700_000_001, "kafka_timestamp_ms": 1_700_000_001_234, "kafka_tombstone_message": False,
    }  # fmt: skip
    assert message.origin == ("t/0", 7)
    (several,) = messages_of(found, "t", 0, 10, multi_header=True)
    assert several.meta["a"] == ["1", "2"]


def test_m60_null_values_and_keys_and_missing_times() -> None:
    (message,) = messages_of(
        records(0, value=None, timestamp=-1, headers=(("h", None),)), "t", 0, 0, multi_header=False
    )
    assert (message.raw, message.meta["kafka_key"], message.meta["kafka_lag"], message.meta["h"]) == (b"", "", 0, "")
    assert is_tombstone(message)
    message.set_raw(b"filled")
    assert not is_tombstone(message)


def test_metadata_values_become_headers_as_text() -> None:
    given = ["s", b"\xff", 5, True, None, {"a": [1]}, 1.5]
    assert [header_value(value) for value in given] == [b"s", b"\xff", b"5", b"true", b"null", b'{"a":[1]}', b"1.5"]


def test_the_size_is_never_underestimated() -> None:
    from aiokafka.record.default_records import DefaultRecordBatchBuilder as Builder

    given: list[Any] = [[], [("ä" * 50, b"x" * 300)], [(f"h{n}", b"") for n in range(100)]]
    for headers in given:
        for value in (None, b"", b"x" * 70_000):
            builder = Builder(2, 0, 0, -1, -1, 0, 10_000_000)
            builder.append(0, 1_700_000_000_000, key=b"key", value=value, headers=headers)
            real = len(builder.build())
            assert (
                real
                <= size_of(b"key", value, headers)
                <= real + 40 + 12 * len(headers) + 2 * sum(len(h[0]) for h in headers)
            )
