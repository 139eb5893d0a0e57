"""Outputs that hold others: who gets what, and what the writer learns when one of them refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.components.parts import build_output
from gateway.engine.parts import Memory, once
from penstock_gateway.components.broker import FanOut, Greedy, RoundRobin
from penstock_gateway.errors import BatchError, WriteError
from penstock_gateway.message import Failure, Message


def batch(*texts: str) -> list[Message]:
    return [Message(text.encode()) for text in texts]


def fan_out(children: list[Any], pattern: str = "fan_out") -> FanOut:
    return FanOut(children, pattern, lambda: -0.5)  # no pause between attempts


async def test_fan_out_gives_every_child_every_batch() -> None:
    first, second = Memory(), Memory()
    await fan_out([first, second]).write(batch("a", "b"))
    assert first.written == second.written == [["a", "b"]]


async def test_fan_out_tries_a_failing_child_again_and_only_what_it_refused() -> None:
    first = Memory()
    second = Memory(refuse=once([WriteError("down"), BatchError({1: WriteError("b")})]))
    await fan_out([first, second]).write(batch("a", "b"))
    assert first.written == [["a", "b"]]
    assert second.written == [["b"]]


async def test_fail_fast_tells_the_writer_at_once() -> None:
    first, second = Memory(), Memory(refuse=once([WriteError("down")]))
    with pytest.raises(WriteError, match="down"):
        await fan_out([first, second], "fan_out_fail_fast").write(batch("a"))
    assert first.written == [["a"]]


async def test_sequential_stops_at_the_child_that_refuses() -> None:
    first, second = Memory(refuse=once([WriteError("down")])), Memory()
    with pytest.raises(WriteError):
        await fan_out([first, second], "fan_out_sequential_fail_fast").write(batch("a"))
    assert second.written == []


async def test_round_robin_takes_turns() -> None:
    first, second = Memory(), Memory()
    output = RoundRobin([first, second])
    for text in "abc":
        await output.write(batch(text))
    assert (first.texts, second.texts) == (["a", "c"], ["b"])


async def test_greedy_gives_work_to_whoever_is_free() -> None:
    gate = asyncio.Event()
    slow, quick = Memory(hold=gate), Memory()
    output = Greedy([slow, quick])
    waiting = asyncio.create_task(output.write(batch("a")))
    await _until(lambda: slow.under_way == 1)
    await output.write(batch("b"))
    await output.write(batch("c"))
    assert quick.texts == ["b", "c"]
    gate.set()
    await waiting
    assert slow.texts == ["a"]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


CONFIGS: dict[str, dict[str, Any]] = {
    "reject": {"reject": 'no ${! json("n") }'},
    "errored": {"reject_errored": {"drop": {}}},
    "fallback": {"fallback": [{"reject": "first"}, {"drop": {}}]},
    "fallback to nothing": {"fallback": [{"reject": "first"}, {"reject": '${! meta("fallback_error") } again'}]},
    "dropped": {"drop_on": {"error": True, "output": {"reject": "x"}}},
    "dropped by pattern": {"drop_on": {"error_patterns": ["^full"], "output": {"reject": "full ${! content() }"}}},
    "not dropped": {"drop_on": {"error_patterns": ["^full"], "output": {"reject": "other"}}},
    "gives up": {"retry": {"max_retries": 2, "backoff": {"initial_interval": "1ms"}, "output": {"reject": "x"}}},
}
REASONS: dict[str, dict[int, str]] = {
    "reject": {0: "no 1", 1: "no 2"},
    "errored": {1: "rejecting due to failed processing: it failed"},
    "fallback": {},
    "fallback to nothing": {0: "first again", 1: "first again"},
    "dropped": {},
    "dropped by pattern": {},
    "not dropped": {0: "other", 1: "other"},
    "gives up": {0: "x", 1: "x"},
}


@pytest.mark.parametrize("name", CONFIGS)
async def test_what_the_writer_learns(name: str) -> None:
    sink = await build_output(CONFIGS[name])
    messages = batch('{"n":1}', '{"n":2}')
    if name == "errored":
        messages[1].failure = Failure("it failed")
    reasons: dict[int, str] = {}
    try:
        await asyncio.wait_for(sink.write(messages), 10)
    except BatchError as error:
        reasons = {n: str(reason) for n, reason in error.failed.items()}
    await sink.close()
    assert reasons == REASONS[name]
