"""Inputs around others, of files, and the buffer: what a stream has written when they have ended."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from gateway.components.whole import run_to_the_end
from penstock_gateway import config
from penstock_gateway.config import Rules


def made(text: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"generate": {"mapping": f"root = {text}", "interval": "", "count": count}, **more}


def problems(**parts: Any) -> list[str]:
    data = {"input": made("1"), "output": {"drop": {}}} | parts
    return [str(problem) for problem in config.parse_stream(data, (), Rules(bare=True))[1]]


async def test_files_are_read_in_order_with_their_metadata(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("3\n")
    (tmp_path / "a.txt").write_text("1\n2")
    steps = [{"mapping": 'root = content().string() + @path.re_replace_all(".*/", "") + @mod_time_unix.type()'}]
    found = await run_to_the_end(tmp_path, input={"file": {"paths": [f"{tmp_path}/*.txt"]}}, processors=steps)
    assert found == [["1a.txtnumber"], ["2a.txtnumber"], ["3b.txtnumber"]]


async def test_a_file_is_deleted_when_all_of_it_is_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1\n2\n")
    await run_to_the_end(tmp_path, input={"file": {"paths": [f"{tmp_path}/a.txt"], "delete_on_finish": True}})
    assert not (tmp_path / "a.txt").exists()


async def test_a_file_that_is_cut_off_stays_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"1\n2\n3\n")[:-4])
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"4\n"))
    file = {
        "paths": [f"{tmp_path}/a.gz", f"{tmp_path}/b.gz"],
        "scanner": {"decompress": {"algorithm": "gzip", "into": {"lines": {}}}},
        "delete_on_finish": True,
    }
    found = await run_to_the_end(tmp_path, input={"file": file})
    assert found == [[1], [2], [3], [4]]
    assert ((tmp_path / "a.gz").exists(), (tmp_path / "b.gz").exists()) == (True, False)


async def test_the_old_codec_is_a_scanner(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    found = await run_to_the_end(tmp_path, input={"file": {"paths": [f"{tmp_path}/a.gz"], "codec": "gzip/csv"}})
    assert found == [[{"a": "1", "b": "2"}]]


async def test_records_of_csv_files_come_in_batches(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n1;2\n3\n4;5;6\n")
    found = await run_to_the_end(
        tmp_path, input={"csv": {"paths": [f"{tmp_path}/a.csv"], "delimiter": ";", "batch_count": 2}}
    )
    assert found == [[{"a": "1", "b": "2"}, {"a": "3"}], [["4", "5", "6"]]]


async def test_a_broken_record_is_marked_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,x"y\n2,z\n')
    steps = [{"mapping": 'root = this.a + " " + errored().string()'}]
    found = await run_to_the_end(tmp_path, input={"csv": {"paths": [f"{tmp_path}/a.csv"]}}, processors=steps)
    assert found == [["1 true"], ["2 false"]]


async def test_inputs_of_a_sequence_take_turns_with_their_processors(tmp_path: Path) -> None:
    first = made('"a"', 2, processors=[{"mapping": 'root = content().string() + "!"'}])
    broker = {"broker": {"inputs": [made('"b"')], "copies": 2}}
    found = await run_to_the_end(tmp_path, input={"sequence": {"inputs": [first, broker, made('"c"')]}})
    assert found == [["a!"], ["a!"], ["b"], ["b"], ["c"]]


def test_a_sharded_join_is_refused() -> None:
    found = problems(input={"sequence": {"inputs": [made("1")], "sharded_join": {"type": "outer", "id_path": "id"}}})
    assert "sharded_join is not supported" in found[0]


async def test_batched_flushes_the_rest_at_the_end(tmp_path: Path) -> None:
    found = await run_to_the_end(tmp_path, input={"batched": {"child": made("counter()", 5), "policy": {"count": 2}}})
    assert found == [[1, 2], [3, 4], [5]]


async def test_a_broker_may_batch_what_all_its_inputs_give(tmp_path: Path) -> None:
    broker = {"inputs": [made('"a"', 2), made('"a"', 1)], "copies": 2, "batching": {"count": 6}}
    assert await run_to_the_end(tmp_path, input={"broker": broker}) == [["a"] * 6]


def test_batched_needs_a_trigger() -> None:
    assert "at least one active trigger" in problems(input={"batched": {"child": made("1"), "policy": {}}})[0]


async def test_read_until_ends_with_the_message_that_meets_the_check(tmp_path: Path) -> None:
    steps = [{"mapping": 'root = content().string() + @bento_read_until.or("")'}]
    found = await run_to_the_end(
        tmp_path, input={"read_until": {"input": made("counter()", 9), "check": "this == 3"}}, processors=steps
    )
    assert found == [[1], [2], ["3final"]]


async def test_read_until_begins_again_or_ends_idle(tmp_path: Path) -> None:
    again = {"read_until": {"input": made("1"), "check": 'count("again") >= 3', "restart_input": True}}
    idle = {"read_until": {"input": {"inproc": "nobody"}, "idle_timeout": "10ms"}}
    found = await run_to_the_end(tmp_path, input={"sequence": {"inputs": [again, idle, made("2")]}})
    assert found == [[1], [1], [1], [2]]


def test_read_until_needs_an_end() -> None:
    assert (
        "it is required to set either check or idle_timeout" in problems(input={"read_until": {"input": made("1")}})[0]
    )


async def test_resources_stand_where_they_are_named(tmp_path: Path) -> None:
    found = await run_to_the_end(
        tmp_path,
        input={"resource": "in", "processors": [{"mapping": 'root = content().string() + "2"'}]},
        input_resources=[{"label": "in", **made('"x"', processors=[{"mapping": 'root = content().string() + "1"'}])}],
    )
    assert found == [["x12"]]


@pytest.mark.parametrize(
    ("parts", "then"),
    [
        ({"output": {"resource": "no"}}, "output resource 'no' was not found: add it to output_resources"),
        ({"output": {"resource": "a"}, "output_resources": [{"label": "a", "resource": "a"}]}, "contains itself"),
        ({"output_resources": [{"drop": {}}]}, "must be unique and not empty"),
        ({"output_resources": [{"label": "a", "drop": {}}, {"label": "a", "drop": {}}]}, "collides"),
        ({"input_resources": [{"label": "a", "generate": {}}]}, "field mapping is required"),
        ({"input": {"file": {"paths": ["x"], "scanner": {"nope": {}}}}}, "unable to infer scanner type"),
        ({"output": {"file": {"path": "x", "codec": "delim:"}}}, "requires a non-empty delimiter"),
        ({"output": {"stdout": {"codec": "nope"}}}, "codec was not recognised: nope"),
    ],
)
def test_mistakes_are_named(parts: dict[str, Any], then: str) -> None:
    assert any(then in problem for problem in problems(**parts)), problems(**parts)


def test_the_host_is_not_for_a_streamapi() -> None:
    for kind, data in (
        ("input", {"file": {"paths": ["x"]}}),
        ("input", {"csv": {"paths": ["x"]}}),
        ("input", {"inproc": "x"}),
        ("output", {"file": {"path": "x"}}),
        ("output", {"inproc": "x"}),
    ):
        found = config.parse_stream({"input": made("1"), "output": {"drop": {}}} | {kind: data})[1]
        assert [problem.rule for problem in found] == ["host"]


async def test_what_goes_into_a_process_channel_comes_out_of_it(tmp_path: Path) -> None:
    reader = asyncio.create_task(
        run_to_the_end(tmp_path, input={"read_until": {"input": {"inproc": "x"}, "check": "this == 2"}})
    )
    (tmp_path / "w").mkdir()
    await run_to_the_end(tmp_path / "w", input=made("counter()", 2), output={"inproc": "x"})
    assert await reader == [[1], [2]]


async def test_the_buffer_gives_batches_and_drains_at_the_end(tmp_path: Path) -> None:
    policy = {"enabled": True, "count": 2}
    found = await run_to_the_end(tmp_path, input=made("counter()", 5), buffer={"memory": {"batch_policy": policy}})
    assert found == [[1, 2], [3, 4], [5]]


async def test_a_full_buffer_lets_the_input_wait(tmp_path: Path) -> None:
    found = await run_to_the_end(tmp_path, input=made("counter()", 200), buffer={"memory": {"limit": 8}})
    assert found == [[n] for n in range(1, 201)]


async def test_what_can_never_fit_is_dropped_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = 'if counter() == 2 { "long text" } else { "a" }'
    found = await run_to_the_end(tmp_path, input=made(text, 3), buffer={"memory": {"limit": 4}})
    assert found == [["a"], ["a"]]
