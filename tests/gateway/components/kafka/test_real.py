"""What only a real Kafka can show: groups of several members, retention, new partitions, transactions, limits of the broker, outages."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import TopicPartition

from gateway.components.kafka.parts import (
    Driver,
    administrator,
    committed,
    fill,
    kafka_input,
    kafka_output,
    make_topic,
    messages,
    read_topic,
    until,
)
from penstock_gateway.components.kafka import assignment, client, group, reader
from penstock_gateway.components.kafka.input import KafkaInput
from penstock_gateway.errors import BatchError, NotConnected, PenstockError
from penstock_gateway.registry import Begin
from testbed.kafka import PASSWORD, USER, RealKafka

pytestmark = pytest.mark.kafka
QUICK: dict[str, Any] = {"group": {"session_timeout": "6s", "heartbeat_interval": "300ms", "rebalance_timeout": "10s"}}


async def test_three_members_and_three_rebalances_lose_nothing(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D4: members join and leave under load; nothing is lost, and no partition is committed after it was revoked."""
    topic = await make_topic(real, 6)
    commits: list[tuple[AIOKafkaConsumer, set[TopicPartition]]] = []
    late: list[Any] = []
    owned: dict[AIOKafkaConsumer, set[TopicPartition]] = {}
    commit, assigned, revoked = (
        AIOKafkaConsumer.commit, group.Membership.on_partitions_assigned, group.Membership.on_partitions_revoked
    )  # fmt: skip

    async def watched_commit(self: AIOKafkaConsumer, offsets: dict[TopicPartition, Any]) -> None:
        commits.append((self, set(offsets)))
        if not set(offsets) <= owned.get(self, set()):
            late.append((set(offsets), owned.get(self)))
        await commit(self, offsets)  # type: ignore[no-untyped-call]  # aiokafka's own

    async def watched_assigned(self: group.Membership, partitions: Any) -> None:
        owned[self._consumer] = set(partitions)
        await assigned(self, partitions)

    async def watched_revoked(self: group.Membership, partitions: Any) -> None:
        await revoked(self, partitions)
        owned[self._consumer] = set()

    monkeypatch.setattr(AIOKafkaConsumer, "commit", watched_commit)
    monkeypatch.setattr(group.Membership, "on_partitions_assigned", watched_assigned)
    monkeypatch.setattr(group.Membership, "on_partitions_revoked", watched_revoked)

    total = 12_000
    written = asyncio.create_task(_write_slowly(real, topic, total))
    drivers: list[Driver] = []
    fields: dict[str, Any] = {"consumer_group": topic, "commit_period": "50ms", "checkpoint_limit": 64, **QUICK}
    for _ in range(3):  # the second and third member's joining are two rebalances
        driver: Driver = SlowDriver(kafka_input(real, topic, **fields))
        await driver.__aenter__()
        drivers.append(driver)
        seen = len(driver.taken)
        await until(lambda driver=driver, seen=seen: len(driver.taken) > seen + 100)  # type: ignore[misc]
    await drivers[0].__aexit__()  # leaving is the third
    await written
    await until(lambda: len({body for driver in drivers for body in driver.bodies}) == total, 60)
    for driver in drivers[1:]:
        await driver.__aexit__()
    counts = Counter(body for driver in drivers for body in driver.bodies)
    print(f"{sum(counts.values()) - total} repeats in {total} messages, {len(commits)} commits")
    assert late == []
    assert sum((await committed(real, topic, topic)).values()) == total


class SlowDriver(Driver):
    """Settles a little later and out of order, as an output with several writes in flight does."""

    def __init__(self, source: KafkaInput) -> None:
        super().__init__(source, self._later)
        self._open: set[asyncio.Task[None]] = set()
        self._count = 0

    def _later(self, delivery: Any) -> bool:
        self._count += 1
        task = asyncio.create_task(self._finish(delivery, 0.01 * (self._count % 3)))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return False

    async def _finish(self, delivery: Any, pause: float) -> None:
        await asyncio.sleep(pause)  # the write
        self.taken += delivery.messages
        if not delivery.withdrawn:
            delivery.settle(None)

    async def __aexit__(self, *reason: object) -> None:
        if self._open:
            await asyncio.wait(self._open)
        await super().__aexit__(*reason)


async def _write_slowly(address: str, topic: str, total: int) -> None:
    for start in range(0, total, 600):
        await fill(address, topic, [b"%d" % n for n in range(start, start + 600)])
        await asyncio.sleep(0.1)  # the load, not a wait


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_lowered_limit_refuses_the_large_and_lets_the_rest_flow(real: str, idempotent: bool) -> None:
    topic = await make_topic(real, 2)
    refused: dict[bytes, str] = {}

    async def write(output: Any, start: int) -> None:
        batch = messages(*[f"{n:05d}{'x' * (20_000 if n % 50 == 7 else 100)}" for n in range(start, start + 20)])
        try:
            await output.write(batch)
        except BatchError as error:
            refused.update({batch[n].raw[:5]: str(reason) for n, reason in error.failed.items()})

    async with kafka_output(real, topic, idempotent_write=idempotent, partitioner="round_robin") as output:
        await asyncio.gather(*(write(output, start) for start in range(0, 400, 20)))
        assert refused == {}
        async with administrator(real) as admin:
            change = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "10000"})
            await admin.alter_configs([change])
            await until_limit(real, topic)
        for start in range(400, 2000, 200):
            await asyncio.gather(*(write(output, s) for s in range(start, start + 200, 20)))
    large = {b"%05d" % n for n in range(400, 2000) if n % 50 == 7}
    assert set(refused) == large
    assert all("larger than the broker takes" in reason for reason in refused.values())
    found = [record.value[:5] for record in await read_topic(real, topic, 2000 - len(large))]
    assert sorted(found) == sorted({b"%05d" % n for n in range(2000)} - large)


async def until_limit(address: str, topic: str) -> None:
    """See that the broker applies the lowered limit."""
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    try:
        builder = producer.create_batch()
        builder.append(timestamp=None, key=None, value=b"probe" + b"x" * 20_000)
        with pytest.raises(MessageSizeTooLargeError):
            await (await producer.send_batch(builder, topic, partition=0))
    finally:
        await producer.stop()


async def test_a_keyless_record_of_a_compacted_topic_is_refused_alone(real: str) -> None:
    topic = await make_topic(real, 1, cleanup_policy="compact")
    batch = messages("a", "b", "c")
    for message, key in zip(batch, ("k", "", "k"), strict=True):
        message.meta["k"] = key
    async with kafka_output(real, topic, key="${! @k }", idempotent_write=True) as output:
        with pytest.raises(BatchError) as caught:
            await output.write(batch)
    assert list(caught.value.failed) == [1]
    assert [record.value for record in await read_topic(real, topic, 2)] == [b"a", b"c"]


# --- Broadcast ------------------------------------------------------------------------------------------------------------------


async def test_broadcast_begins_with_the_history(real: str) -> None:
    topic = await make_topic(real, 1)
    producer = AIOKafkaProducer(bootstrap_servers=real)
    await producer.start()
    now = int(time.time() * 1000)
    for age in (7200, 600, 200, 100, 1):
        builder = producer.create_batch()
        builder.append(timestamp=now - age * 1000, key=None, value=b"%d" % age)
        await (await producer.send_batch(builder, topic, partition=0))
    await producer.stop()
    async with Driver(kafka_input(real, topic, broadcast=True, history=300)) as driver:
        await until(lambda: len(driver.taken) == 3)
        assert driver.bodies == [b"200", b"100", b"1"]
        assert driver.seen[0].begin is not None
        assert dict(driver.seen[0].begin.start) == {f"{topic}/0": 2}
        assert dict(driver.seen[0].begin.head) == {f"{topic}/0": 5}
        assert driver.seen[0].begin.epochs[topic]
    async with Driver(kafka_input(real, topic, broadcast=True, history=0)) as driver:
        await until(lambda: bool(driver.seen))
        assert driver.seen[0].begin is not None
        assert dict(driver.seen[0].begin.start) == {f"{topic}/0": 5}


async def test_a_log_that_has_moved_on_is_a_gap(real: str) -> None:
    """AC-63: what was to be read next is gone; the input says so and goes on at the log's start."""
    topic = await make_topic(real, 1)
    await fill(real, topic, [b"%d" % n for n in range(10)])
    source = kafka_input(real, topic, broadcast=True)
    async with Driver(source) as driver:
        await until(lambda: len(driver.taken) == 10)
    await fill(real, topic, [b"%d" % n for n in range(10, 50)])
    async with administrator(real) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=30)})
    async with Driver(source) as driver:
        await until(lambda: len(driver.taken) == 20)
        begins = [dict(delivery.begin.start) for delivery in driver.seen if delivery.begin is not None]
    assert begins == [{f"{topic}/0": 10}, {f"{topic}/0": 30}]
    assert driver.bodies[0] == b"30"


async def test_new_partitions_are_read_from_their_start(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """X34: partitions are added while reading."""
    monkeypatch.setattr(assignment, "POLL_METADATA", 0.2)
    topic = await make_topic(real, 1)
    await fill(real, topic, [b"a"])
    source = kafka_input(real, topic, broadcast=True)
    async with Driver(source) as driver:
        await until(lambda: driver.bodies == [b"a"])
        async with administrator(real) as admin:
            await admin.create_partitions({topic: NewPartitions(3)})
        await fill(real, topic, [b"b"], partition=2)
        await fill(real, topic, [b"c"], partition=0)
        await until(lambda: sorted(driver.bodies) == [b"a", b"b", b"c"])
        begins = [dict(delivery.begin.start) for delivery in driver.seen if delivery.begin is not None]
    assert begins[0] == {f"{topic}/0": 0}
    assert begins[1] | {f"{topic}/0": 0} == {f"{topic}/{n}": 0 for n in range(3)}
    assert begins[1][f"{topic}/0"] in (1, 2)


async def test_a_topic_made_anew_has_another_epoch(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """X34: deleted and created again; the positions of the old one mean nothing."""
    monkeypatch.setattr(assignment, "POLL_METADATA", 0.2)
    monkeypatch.setattr(assignment, "POLL_TOPIC_IDS", 0.2)
    topic = await make_topic(real, 1)
    await fill(real, topic, [b"old%d" % n for n in range(3)])
    source = kafka_input(real, topic, broadcast=True)
    async with Driver(source) as driver:
        await until(lambda: len(driver.taken) == 3)
        async with administrator(real) as admin:
            await admin.delete_topics([topic])
            deadline = time.monotonic() + 20
            answer: Any = await admin.create_topics([NewTopic(topic, 1, 1)])
            while answer.topic_errors[0][1]:  # the old one is still going, or the reader's look at it has made it anew
                assert time.monotonic() < deadline, answer.topic_errors
                await admin.delete_topics([topic])
                answer = await admin.create_topics([NewTopic(topic, 1, 1)])
        anew = [b"new%d" % n for n in range(5)]
        await fill(real, topic, anew)
        await until(lambda: len({begin.epochs[topic] for begin in beginnings(driver)}) > 1)
        await until(lambda: driver.bodies[-5:] == anew)
        begins = beginnings(driver)
    # Between the log's new start and the broker's word about the new id, messages may come once more.
    assert set(driver.bodies[3:]) == set(anew)
    assert begins[0].epochs[topic] != begins[-1].epochs[topic]
    assert begins[-1].start[f"{topic}/0"] == 0


def beginnings(driver: Driver) -> list[Begin]:
    """Where the input said it begins, so far."""
    return [delivery.begin for delivery in driver.seen if delivery.begin is not None]


async def test_transactions_do_not_hold_up_positions(real: str) -> None:
    """M-60: control records and aborted transactions; the position passes them, aborted messages are left out if asked for."""
    topic = await make_topic(real, 1)
    producer = AIOKafkaProducer(bootstrap_servers=real, transactional_id=topic)
    await producer.start()
    for body, keep in ((b"kept", True), (b"aborted", False)):
        await producer.begin_transaction()
        await (await producer.send(topic, body, partition=0))
        await (producer.commit_transaction() if keep else producer.abort_transaction())
    await producer.stop()
    isolation: dict[str, Any] = {"transaction_isolation_level": "read_committed"}
    async with Driver(kafka_input(real, topic, broadcast=True, **isolation)) as driver:
        await until(lambda: any((d.position or {}).get(f"{topic}/0") == 4 for d in driver.seen))
        assert driver.bodies == [b"kept"]
        assert driver.seen[0].begin is not None
        assert driver.seen[0].begin.head == {f"{topic}/0": 4}


# --- who may, and outages ---------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_said_and_not_shown(real_broker: RealKafka) -> None:
    topic = await make_topic(real_broker.address, 1)
    good = {"mechanism": "PLAIN", "user": USER, "password": PASSWORD}
    async with kafka_output(real_broker.sasl_address, topic, sasl=good) as output:
        await output.write(messages("a"))
    bad = {**good, "password": "hunter2"}
    for make in (
        lambda: kafka_input(real_broker.sasl_address, topic, consumer_group="g", sasl=bad).connect(),
        lambda: kafka_output(real_broker.sasl_address, topic, sasl=bad).__aenter__(),
    ):
        with pytest.raises(NotConnected, match=r"(?i)authentication") as caught:
            await make()
        assert "hunter2" not in str(caught.value)
    with pytest.raises(NotConnected, match=real_broker.sasl_address):
        await kafka_input(real_broker.sasl_address, topic, consumer_group="g").connect()


async def test_a_topic_that_nobody_creates_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "TOPIC_TIMEOUT", 1.0)
    broker = await asyncio.to_thread(RealKafka, {"auto.create.topics.enable": "false"})
    try:
        with pytest.raises(NotConnected, match="topic nowhere does not exist"):
            await kafka_input(broker.address, "nowhere", consumer_group="g").connect()
        with pytest.raises(NotConnected, match="topic nowhere does not exist"):
            async with kafka_output(broker.address, "nowhere"):
                pass
        await _survives_a_crash(broker)
    finally:
        await asyncio.to_thread(broker.close)


async def _survives_a_crash(broker: RealKafka) -> None:
    """X29, D6: the broker is killed under load and started again; whatever was acknowledged is there, and reading goes on."""
    topic = await make_topic(broker.address, 2)
    acknowledged: set[bytes] = set()
    connecting, connections = asyncio.Lock(), 0

    async def connect_again(output: Any, seen: int) -> None:
        nonlocal connections
        async with connecting:  # as the engine: one connects, the others wait for it
            while connections == seen:
                try:
                    await output.connect()
                    connections += 1
                except NotConnected:
                    await asyncio.sleep(0.2)  # the engine's pause

    async def write(output: Any, n: int) -> None:
        while True:
            seen = connections
            try:
                await output.write(messages(str(n)))
            except NotConnected:
                await connect_again(output, seen)
                continue
            except PenstockError:
                continue
            acknowledged.add(str(n).encode())
            return

    fields = {"timeout": "2s", "backoff": {"initial_interval": "200ms", "max_elapsed_time": "3s"}}
    source = kafka_input(broker.address, topic, consumer_group=topic, **QUICK)
    async with kafka_output(broker.address, topic, ack_replicas=True, **fields) as output, Driver(source) as driver:
        await asyncio.gather(*(write(output, n) for n in range(100)))
        writing = asyncio.gather(*(write(output, n) for n in range(100, 200)))
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await asyncio.wait_for(writing, 60)
        await until(lambda: set(driver.bodies) >= acknowledged, 60)
    assert acknowledged == {str(n).encode() for n in range(200)}


async def test_silence_is_noticed_and_reading_goes_on_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """X30: a stopped broker says nothing, so aiokafka does not either; the input counts it as lost and connects again."""
    monkeypatch.setattr(reader, "SILENCE", 2.0)
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 2.0)
    broker = await asyncio.to_thread(RealKafka)
    try:
        topic = await make_topic(broker.address, 1)
        await fill(broker.address, topic, [b"a"])
        for source in (
            kafka_input(broker.address, topic, broadcast=True),
            kafka_input(broker.address, f"{topic}:0", consumer_group=topic),
        ):
            await source.connect()
            bodies: list[bytes] = []
            while not bodies:
                bodies += await _take(source)
            broker.pause()
            with pytest.raises(NotConnected, match="have not answered"):
                await asyncio.wait_for(_take_for_ever(source), 15)
            with pytest.raises(NotConnected, match="no answer"):
                await source.connect()
            broker.resume()
            await source.connect()
            await fill(broker.address, topic, [b"b"])
            async with asyncio.timeout(15):
                while b"b" not in bodies:
                    bodies += await _take(source)
            await source.close()
            assert bodies[-2:] == [b"a", b"b"]
    finally:
        await asyncio.to_thread(broker.close)


async def _take_for_ever(source: KafkaInput) -> None:
    while True:
        await _take(source)


async def _take(source: KafkaInput) -> list[bytes]:
    async with asyncio.timeout(20):
        wave = await source.read()
    for delivery in wave:
        delivery.settle(None)
    return [message.raw for delivery in wave for message in delivery.messages]


async def test_a_broker_that_does_not_answer_is_not_waited_for_without_end() -> None:
    """X30, D7: a stopped broker; writes fail within their time, and what was refused arrives when the broker is back."""
    broker = await asyncio.to_thread(RealKafka)
    fields = {"timeout": "1s", "backoff": {"initial_interval": "100ms", "max_elapsed_time": "2s"}}
    try:
        topic = await make_topic(broker.address, 1)
        for idempotent in (False, True):
            async with kafka_output(broker.address, topic, idempotent_write=idempotent, **fields) as output:
                await output.write(messages("before"))
                broker.pause()
                began = time.monotonic()
                with pytest.raises(NotConnected):
                    await output.write(messages("during"))
                assert time.monotonic() - began < 12
                broker.resume()
                await output.connect()
                await output.write(messages("after"))
        found = {record.value for record in await read_topic(broker.address, topic, 4)}
        assert found >= {b"before", b"after"}
    finally:
        await asyncio.to_thread(broker.close)
