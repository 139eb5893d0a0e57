"""Outputs that write bytes or values: codecs, files, caches, and what the writer learns of a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.components.parts import build_output
from gateway.components.whole import parsed, run_to_the_end, surroundings
from penstock_gateway.codecs import parse_codec
from penstock_gateway.engine.context import EngineContext
from penstock_gateway.errors import BatchError
from penstock_gateway.message import Message


@pytest.mark.parametrize(
    ("codec", "then"),
    [("lines", b"a\nb\n"), ("append", b"ab\n"), ("all-bytes", b"ab\n"), ("delim:--", b"a--b\n--")],
)
def test_codecs_end_what_is_not_ended_yet(codec: str, then: bytes) -> None:
    assert b"".join(parse_codec(codec).frame(raw) for raw in (b"a", b"b\n")) == then


async def write(path: str, codec: str, *texts: str) -> None:
    output = await build_output({"file": {"path": path, "codec": codec}})
    try:
        await output.write([Message(text.encode()) for text in texts])
    finally:
        await output.close()


async def test_a_file_is_continued_or_replaced(tmp_path: Path) -> None:
    path = f'{tmp_path}/new/${{! json("k") }}'
    await write(path, "lines", '{"k":"a"}', '{"k":"b"}', '{"k":"a","n":2}')
    await write(path, "lines", '{"k":"b","n":2}')
    assert (tmp_path / "new/a").read_text() == '{"k":"a"}\n{"k":"a","n":2}\n'
    assert (tmp_path / "new/b").read_text() == '{"k":"b"}\n{"k":"b","n":2}\n'
    await write(path, "all-bytes", '{"k":"a"}', '{"k":"a","n":3}')
    assert (tmp_path / "new/a").read_text() == '{"k":"a","n":3}'


async def test_only_messages_that_were_not_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(BatchError, match="is a directory") as caught:
        await write(f'{tmp_path}/${{! json("k") }}', "lines", '{"k":"x"}', '{"k":"taken"}', '{"k":"y"}')
    assert list(caught.value.failed) == [1]
    assert [(tmp_path / name).read_text() for name in "xy"] == ['{"k":"x"}\n', '{"k":"y"}\n']


async def test_messages_go_to_a_cache_under_their_keys(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    cache: dict[str, Any] = {"label": "c", "file": {"directory": str(folder)}}
    await run_to_the_end(
        tmp_path,
        input={"generate": {"mapping": "root.id = counter()", "interval": "", "count": 2}},
        output={"cache": {"target": "c", "key": 'k${! json("id") }'}},
        cache_resources=[cache],
    )
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"k1": '{"id":1}', "k2": '{"id":2}'}


async def test_a_key_the_cache_refuses_is_told() -> None:
    with pytest.raises(BatchError, match="key interpolation error"):
        await (await build_output_with_cache('${! json("id") }')).write([Message(b"no json")])


async def build_output_with_cache(key: str) -> Any:
    stream = parsed(output={"cache": {"target": "c", "key": key}}, cache_resources=[{"label": "c", "lru": {}}])
    shared = surroundings(lambda: 0.0)
    shared.resources = stream.resources
    sink = EngineContext(shared).sink(stream.output)
    await sink.connect()
    return sink
