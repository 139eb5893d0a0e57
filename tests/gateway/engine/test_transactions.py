"""What an input is told about its batches: everything is acknowledged once, refused messages are sent again, nothing is lost."""

from __future__ import annotations

import asyncio

from gateway.engine.parts import Memory, Script, once, run, sink_of, source_of
from penstock_gateway.batching import BatchPolicy
from penstock_gateway.engine.batcher import BatchingOutput, Trigger
from penstock_gateway.engine.chain import Chain
from penstock_gateway.errors import BatchError, NotConnected, WriteError


async def test_every_batch_is_written_in_order_and_acknowledged() -> None:
    script, output = Script([["a", "b"], ["c"], ["d"]]), Memory()
    await run(script, output)
    assert output.written == [["a", "b"], ["c"], ["d"]]
    assert script.settled == {0: None, 1: None, 2: None}


async def test_a_refused_batch_is_sent_again_until_it_is_taken() -> None:
    script, output = Script([["a", "b"]]), Memory(refuse=once([WriteError("no"), WriteError("no")]))
    source = await run(script, output)
    assert output.written == [["a", "b"]]
    assert script.settled == {0: None}
    assert source.counters.replayed == 2


async def test_only_the_refused_messages_of_a_batch_are_sent_again() -> None:
    script, output = Script([["a", "b", "c"]]), Memory(refuse=once([BatchError({1: WriteError("too large")})]))
    await run(script, output)
    assert output.written == [["b"]]
    assert script.settled == {0: None}


async def test_an_input_that_redelivers_itself_is_told_the_reason() -> None:
    script, output = Script([["a"]], replays=False), Memory(refuse=once([WriteError("full")]))
    await run(script, output)
    assert str(script.settled[0]) == "full"
    assert output.written == []


async def test_writes_under_way_are_bounded_and_keep_their_order() -> None:
    script = Script([[str(n)] for n in range(40)], endless=True)
    output = Memory(max_in_flight=3, hold=asyncio.Event())
    sink = sink_of(output)
    source = source_of(script, sink)
    await sink.connect()
    running = asyncio.create_task(source.run())
    await _until(lambda: output.under_way == 3)
    assert len(script.deliveries) <= 3 + 1 + 1, "no more is read than outputs, workers and one hand-over can hold"
    assert output.hold is not None
    output.hold.set()
    await _until(lambda: len(script.settled) == 40)
    source.stop()
    await asyncio.wait_for(running, 5)
    assert output.texts == [str(n) for n in range(40)]
    assert output.most_under_way == 3
    await sink.close()


async def test_a_lost_output_is_connected_again_and_the_write_repeated() -> None:
    script, output = (
        Script([["a"]]),
        Memory(refuse=once([NotConnected("gone")]), connect_errors=[NotConnected("not there yet")]),
    )
    await run(script, output)
    assert output.written == [["a"]]
    assert script.settled == {0: None}


async def test_an_input_that_cannot_connect_says_why_and_tries_again() -> None:
    script, output = Script([["a"]], connect_errors=[NotConnected("broker-1:9092: refused")]), Memory()
    source = await run(script, output)
    assert script.connects == 2
    assert source.counters.failed == 1
    assert output.written == [["a"]]


async def test_a_withdrawn_batch_is_neither_written_nor_settled() -> None:
    script, output = Script([["a"], ["b"]], endless=True), Memory(max_in_flight=1, hold=asyncio.Event())
    sink = sink_of(output)
    source = source_of(script, sink, threads=2)
    await sink.connect()
    running = asyncio.create_task(source.run())
    await _until(lambda: len(script.deliveries) == 2 and output.under_way == 1)
    script.deliveries[1].withdrawn = True
    assert script.deliveries[0].begun
    assert not script.deliveries[1].begun
    assert output.hold is not None
    output.hold.set()
    await _until(lambda: len(script.settled) == 1)
    source.stop()
    await asyncio.wait_for(running, 5)
    assert output.written == [["a"]]
    assert script.settled == {0: None}
    await sink.close()


async def test_a_component_that_breaks_costs_no_message() -> None:
    script, output = Script([["a"]]), Memory(refuse=once([ZeroDivisionError("a bug")]))
    await run(script, output)
    assert output.written == [["a"]]
    assert script.settled == {0: None}


async def test_a_count_only_batch_policy_is_flushed_when_the_input_ends() -> None:
    script, memory = Script([["a"], ["b"], ["c"]]), Memory()
    batching = BatchingOutput(memory, Trigger(BatchPolicy(count=2)), Chain([]), lambda: 0.5)
    await run(script, batching)
    assert memory.written == [["a", "b"], ["c"]]
    assert script.settled == {0: None, 1: None, 2: None}


async def test_each_writer_of_a_flushed_batch_learns_of_its_own_messages() -> None:
    script = Script([["a", "b"], ["c"]], replays=False)
    memory = Memory(refuse=once([BatchError({2: WriteError("c is bad")})]))
    batching = BatchingOutput(memory, Trigger(BatchPolicy(count=3)), Chain([]), lambda: 0.5)
    await run(script, batching)
    assert script.settled[0] is None
    assert str(script.settled[1]) == "c is bad"


async def test_a_period_flushes_an_incomplete_batch() -> None:
    memory = Memory()
    batching = BatchingOutput(memory, Trigger(BatchPolicy(count=100, period=0.05)), Chain([]), lambda: 0.5)
    await run(Script([["a"], ["b"]]), batching)
    assert memory.texts == ["a", "b"]


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
