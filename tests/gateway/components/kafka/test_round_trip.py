"""Round trips through the embedded broker: bodies, keys, headers, compression, partitions, sizes, limits, and clear refusals."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from gateway.components.kafka.parts import (
    Driver,
    committed,
    fill,
    kafka_input,
    kafka_output,
    messages,
    read_topic,
    topic_name,
    until,
)
from penstock_gateway.components.kafka.partitioners import partitioner
from penstock_gateway.errors import BatchError, NotConnected, WriteError
from penstock_gateway.message import Message
from testbed.kafka import free_port


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_what_is_written_is_read(embedded: str, compression: str) -> None:
    topic = topic_name()
    bodies = [f"{n} {'x' * 100}" for n in range(500)]
    async with kafka_output(embedded, topic, compression=compression) as output:
        await output.write(messages(*bodies))
    async with Driver(kafka_input(embedded, f"{topic}:0-3")) as driver:
        await until(lambda: len(driver.taken) == 500)
    assert sorted(driver.bodies) == sorted(body.encode() for body in bodies)


async def test_metadata_becomes_headers_and_metadata_again(embedded: str) -> None:
    topic = topic_name()
    message = Message(b"body", {"kafka_old": 1, "text": "ä", "raw": b"\xff\x00", "number": 7, "tree": {"a": 1}})
    fields = {"key": "${! @text }", "metadata": {"exclude_prefixes": ["kafka_"]}, "static_headers": {"fixed": "1"}}
    async with kafka_output(embedded, topic, **fields) as output:
        await output.write([message])
    async with Driver(kafka_input(embedded, f"{topic}:0-3")) as driver:
        await until(lambda: len(driver.taken) == 1)
    meta = driver.taken[0].meta
    assert {name: value for name, value in meta.items() if not name.startswith("kafka_")} == {
        "text": "ä", "raw": b"\xff\x00", "number": "7", "tree": '{"a":1}', "fixed": "1",
    }  # fmt: skip
    assert meta["kafka_key"] == "ä"


async def test_m60_odd_records_pass_through_unchanged(embedded: str) -> None:
    """Null key and value, empty and large bodies, bytes that are no text, a thousand headers, strange times."""
    source, target = topic_name(), topic_name()
    given: list[tuple[bytes | None, bytes | None, list[Any], int | None]] = [
        (None, None, [], None),
        (b"k", None, [], None),
        (None, b"", [], 0),
        (b"\xff\xfe", b"\x00\xff", [("h", b"\xff")], 4102444800000),
        (b"", b"x" * 900_000, [], None),
        (b"k", b"v", [(f"h{n}", b"v") for n in range(1000)], None),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=embedded, max_batch_size=2_000_000)
    await producer.start()
    for key, value, headers, stamp in given:
        builder = producer.create_batch()
        builder.append(timestamp=stamp, key=key, value=value, headers=headers)
        await (await producer.send_batch(builder, source, partition=0))
    await producer.stop()
    fields = {"key": '${! meta("kafka_key") }', "metadata": {"exclude_prefixes": ["kafka_"]}}
    async with (
        Driver(kafka_input(embedded, f"{source}:0")) as driver,
        kafka_output(embedded, target, partitioner="manual", partition="0", **fields) as output,
    ):
        await until(lambda: len(driver.taken) == len(given))
        await output.write(driver.taken)
    written = sorted(await read_topic(embedded, target, len(given)), key=lambda record: record.offset)
    assert [(r.key, r.value, list(r.headers)) for r in written] == [
        (key or None, value, headers) for key, value, headers, _ in given
    ]


@pytest.mark.parametrize("name", ["fnv1a_hash", "murmur2_hash", "round_robin"])
async def test_partitioners_decide_the_partition(embedded: str, name: str) -> None:
    topic = topic_name()
    batch = messages(*[f"b{n}" for n in range(40)])
    async with kafka_output(embedded, topic, partitioner=name, key="${! content() }") as output:
        await output.write(batch)
    choose = partitioner(name, lambda: 0.0).choose
    wanted = {message.raw: choose(message.raw, 4) for message in batch}
    assert {r.value: r.partition for r in await read_topic(embedded, topic, 40)} == wanted


async def test_manual_partition_and_computed_topic(embedded: str) -> None:
    name = topic_name()
    batch = messages("0", "3", "9", "x")
    async with kafka_output(
        embedded, name + "-${! content().length() }", partitioner="manual", partition="${! content() }"
    ) as output:
        with pytest.raises(BatchError) as caught:
            await output.write(batch)
    assert sorted(caught.value.failed) == [2, 3]
    assert "does not exist" in str(caught.value.failed[2])
    assert "not a number" in str(caught.value.failed[3])
    assert {r.partition for r in await read_topic(embedded, f"{name}-1", 2)} == {0, 3}


async def test_a_too_large_message_is_refused_alone(embedded: str) -> None:
    topic = topic_name()
    async with kafka_output(embedded, topic, max_msg_bytes=1000) as output:
        with pytest.raises(BatchError) as caught:
            await output.write(messages("a", "x" * 1000, "b"))
    assert list(caught.value.failed) == [1]
    assert "max_msg_bytes" in str(caught.value.failed[1])
    assert sorted(r.value for r in await read_topic(embedded, topic, 2)) == [b"a", b"b"]


async def test_retry_as_batch_refuses_the_whole_batch(embedded: str) -> None:
    async with kafka_output(embedded, topic_name(), max_msg_bytes=1000, retry_as_batch=True) as output:
        with pytest.raises(WriteError) as caught:
            await output.write(messages("a", "x" * 1000))
    assert not isinstance(caught.value, BatchError)


async def test_writes_made_one_after_another_keep_their_order(embedded: str) -> None:
    topic = topic_name()
    async with kafka_output(embedded, topic, key="one", idempotent_write=True) as output:
        await asyncio.gather(*(output.write(messages(*[str(n * 10 + k) for k in range(10)])) for n in range(200)))
    found = [int(record.value) for record in await read_topic(embedded, topic, 2000)]
    assert found == list(range(2000))


async def test_only_the_settled_prefix_is_committed_and_the_rest_comes_again(embedded: str) -> None:
    """D1: everything but one message is acknowledged; only what stands before it is stored."""
    topic = topic_name()
    await fill(embedded, topic, [b"%d" % n for n in range(100)], partition=0)
    fields: dict[str, Any] = {
        "consumer_group": topic,
        "commit_period": "100ms",
        "checkpoint_limit": 40,
        "fetch_buffer_cap": 10,
    }
    async with Driver(
        kafka_input(embedded, f"{topic}:0", **fields), lambda delivery: delivery.messages[0].raw != b"30"
    ) as driver:
        await until(lambda: len(driver.taken) >= 50)
    assert await committed(embedded, topic, topic) == {0: 30}
    assert len(driver.taken) <= 30 + 40  # the limit holds everything back behind the one that is open
    async with Driver(kafka_input(embedded, f"{topic}:0", **fields)) as driver:
        await until(lambda: len(driver.taken) == 70)
    assert driver.bodies[0] == b"30"
    assert await committed(embedded, topic, topic) == {0: 100}


async def test_a_full_partition_does_not_hold_up_the_others(embedded: str) -> None:
    topic = topic_name()
    await fill(embedded, topic, [b"stuck"] * 30, partition=0)
    await fill(embedded, topic, [b"free"] * 300, partition=1)
    source = kafka_input(embedded, f"{topic}:0-1", consumer_group=topic, checkpoint_limit=4)
    async with Driver(source, lambda delivery: delivery.messages[0].raw == b"free") as driver:
        began = time.monotonic()
        await until(lambda: len(driver.taken) == 300)
        assert time.monotonic() - began < 5
        assert sum(len(d.messages) for d in driver.seen if d.messages[0].raw == b"stuck") == 4


async def test_dropping_instead_of_replaying(embedded: str) -> None:
    topic = topic_name()
    await fill(embedded, topic, [b"a", b"b"], partition=0)
    source = kafka_input(embedded, f"{topic}:0", consumer_group=topic, auto_replay_nacks=False)
    assert source.replays is False

    def refuse(delivery: Any) -> bool:
        delivery.settle(ValueError("no"))
        return False

    async with Driver(source, refuse) as driver:
        await until(lambda: sum(len(d.messages) for d in driver.seen) == 2)
    assert await committed(embedded, topic, topic) == {0: 2}


async def test_explicit_partitions_and_stored_offsets(embedded: str) -> None:
    topic = topic_name()
    await fill(embedded, topic, [b"%d" % n for n in range(40)])
    async with Driver(kafka_input(embedded, f"{topic}:1-2", consumer_group=topic)) as driver:
        await until(lambda: len(driver.taken) == 20)
    assert {message.meta["kafka_partition"] for message in driver.taken} == {1, 2}
    assert await committed(embedded, topic, topic) == {1: 10, 2: 10}
    await fill(embedded, topic, [b"new"], partition=2)
    async with Driver(kafka_input(embedded, f"{topic}:2", consumer_group=topic)) as driver:
        await until(lambda: len(driver.taken) == 1)
    assert driver.bodies == [b"new"]


async def test_start_from_latest(embedded: str) -> None:
    topic = topic_name()
    await fill(embedded, topic, [b"old"], partition=0)
    async with Driver(kafka_input(embedded, f"{topic}:0", start_from_oldest=False)) as driver:
        await fill(embedded, topic, [b"new"], partition=0)
        await until(lambda: bool(driver.taken))
    assert driver.bodies == [b"new"]


async def test_a_cancelled_read_loses_nothing(embedded: str) -> None:
    """P3: reads are cancelled at many moments."""
    topic = topic_name()
    await fill(embedded, topic, [b"%d" % n for n in range(2000)])
    source = kafka_input(embedded, topic, consumer_group=topic, fetch_buffer_cap=7)
    await source.connect()
    found: list[bytes] = []
    patience = 0.0
    deadline = time.monotonic() + 30
    while len(found) < 2000:
        assert time.monotonic() < deadline
        patience = (patience + 0.0007) % 0.01
        try:
            async with asyncio.timeout(patience):
                wave = await source.read()
        except TimeoutError:
            continue
        for delivery in wave:
            found += [message.raw for message in delivery.messages]
            delivery.settle(None)
    await source.close()
    assert sorted(found) == sorted(b"%d" % n for n in range(2000))
    assert sum((await committed(embedded, topic, topic)).values()) == 2000


# --- Broadcast ----------------------------------------------------------------------------------------------------------------


async def test_broadcast_reads_everything_and_commits_nothing(embedded: str) -> None:
    topic = topic_name()
    await fill(embedded, topic, [b"%d" % n for n in range(40)])
    source = kafka_input(embedded, topic, broadcast=True, consumer_group=topic)
    async with Driver(source) as driver:
        await until(lambda: len(driver.taken) == 40)
        begin = driver.seen[0].begin
        assert begin is not None
        assert begin.start == dict.fromkeys(begin.start, 0)
        assert begin.head == {f"{topic}/{n}": 10 for n in range(4)}
        assert len(begin.epochs[topic]) == 32
        final: dict[str, int] = {}
        for delivery in driver.seen[1:]:
            final.update(delivery.position or {})
        assert final == begin.head
    assert await committed(embedded, topic, topic) == {}


async def test_broadcast_goes_on_where_it_was_after_a_new_connection(embedded: str) -> None:
    topic = topic_name()
    await fill(embedded, topic, [b"a"], partition=0)
    source = kafka_input(embedded, topic, broadcast=True)
    async with Driver(source) as driver:
        await until(lambda: driver.bodies == [b"a"])
    await fill(embedded, topic, [b"b"], partition=0)
    async with Driver(source) as driver:
        await until(lambda: bool(driver.taken))
        assert driver.bodies == [b"b"]
        assert driver.seen[0].begin is not None
        assert driver.seen[0].begin.start[f"{topic}/0"] == 1


# --- brokers that are not there ---------------------------------------------------------------------------------------------------


async def test_an_unreachable_broker_is_named(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    with pytest.raises(NotConnected, match=f"127.0.0.1:{port}: .*Connect"):
        await kafka_input(f"127.0.0.1:{port}", "t", consumer_group="g").connect()
    with pytest.raises(NotConnected, match=f"127.0.0.1:{port}: .*Connect"):
        async with kafka_output(f"127.0.0.1:{port}", "t"):
            pass


async def test_a_peer_that_is_no_kafka_is_named() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(NotConnected, match=address):
            await kafka_input(address, "t", consumer_group="g").connect()


async def test_a_partition_that_does_not_exist_is_named(embedded: str) -> None:
    topic = topic_name()
    with pytest.raises(NotConnected, match=f"partition {topic}/9 does not exist"):
        await kafka_input(embedded, f"{topic}:9").connect()


async def test_partitions_from_metadata(embedded: str) -> None:
    """As a mirror of a topic would: numbers as they are, and one that no topic can have."""
    topic = topic_name()
    batch = [Message(b"%d" % n, {"p": n, "k": "k"}) for n in (3, 0, -1)]
    fields = {"partitioner": "manual", "partition": "${! @p }", "key": "${! @k }"}
    async with kafka_output(embedded, topic, **fields) as output:
        with pytest.raises(BatchError) as caught:
            await output.write(batch)
    assert list(caught.value.failed) == [2]
    assert {(r.value, r.partition, r.key) for r in await read_topic(embedded, topic, 2)} == {
        (b"3", 3, b"k"),
        (b"0", 0, b"k"),
    }
