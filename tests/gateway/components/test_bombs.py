"""Messages that would become far larger than they are: each is marked, none is lost (M-rows of the bad-input catalogue)."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
import zipfile
from typing import Any

import pytest

from gateway.components.parts import build_chain
from penstock_gateway.errors import ConfigError
from penstock_gateway.message import Message
from penstock_gateway.metrics import MAX_SERIES, Metrics

TOO_MUCH = b"\0" * (33 * 1024 * 1024)


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", TOO_MUCH)
    return target.getvalue()


def truncated_zip() -> bytes:
    return zipped()[:-30]


def truncated_tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        info = tarfile.TarInfo("a")
        info.size = 2000
        archive.addfile(info, io.BytesIO(b"x" * 2000))
    return target.getvalue()[:1500]


def boasting_tar() -> bytes:
    """A file that is said to be larger than what is allowed."""
    info = tarfile.TarInfo("a")
    info.size = 8 * 1024**3
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024


ROWS: list[tuple[str, dict[str, Any], bytes]] = [
    ("zip", {"unarchive": {"format": "zip"}}, zipped()),
    ("truncated zip", {"unarchive": {"format": "zip"}}, truncated_zip()),
    ("truncated tar", {"unarchive": {"format": "tar"}}, truncated_tar()),
    ("boasting tar", {"unarchive": {"format": "tar"}}, boasting_tar()),
    ("gzip", {"decompress": {"algorithm": "gzip"}}, gzip.compress(TOO_MUCH)),
    ("truncated gzip", {"decompress": {"algorithm": "gzip"}}, gzip.compress(b"abc")[:-4]),
    ("xml depth", {"xml": {"operator": "to_json"}}, b"<a>" * 100_000),
    ("json depth", {"unarchive": {"format": "json_documents"}}, b"[" * 100_000),
    ("jq results", {"jq": {"query": "range(200000)"}}, b"1"),
    ("csv", {"unarchive": {"format": "csv"}}, b'a,b\n"1'),
    ("msgpack", {"msgpack": {"operator": "to_json"}}, b"\x91" * 100_000),
    ("binary", {"unarchive": {"format": "binary"}}, b"\xff\xff\xff\xff\x00"),
]


@pytest.mark.parametrize(("processor", "raw"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_a_message_that_cannot_be_taken_apart_is_marked_and_kept(processor: dict[str, Any], raw: bytes) -> None:
    chain = build_chain([processor])
    results = await chain.process([Message(raw), Message(b"\x01")])
    messages = [message for batch in results for message in batch]
    failed = [message for message in messages if message.raw == raw]
    assert len(failed) == 1
    assert failed[0].failure is not None
    assert 0 < len(failed[0].failure.text) < 500


async def test_a_metric_of_a_configuration_is_exported_and_bounded() -> None:
    metrics = Metrics()
    steps: list[dict[str, Any]] = [
        {"metric": {"type": "counter", "name": "seen", "labels": {"kind": '${! json("k") }'}}},
        {"metric": {"type": "gauge", "name": "level", "value": '${! json("n") }'}},
        {"metric": {"type": "timing", "name": "took", "value": '${! json("n") * 1000000 }'}},
    ]
    chain = build_chain(steps, metrics)
    await chain.process([Message(b'{"k":"a","n":%d}' % n) for n in (3, 7)])
    text = metrics.exposition().decode()
    assert 'penstock_custom_total{api="shop/x",kind="a",name="seen",stream="s"} 2.0' in text
    assert 'penstock_custom_value{api="shop/x",name="level",stream="s"} 7.0' in text
    assert 'penstock_custom_seconds_sum{api="shop/x",name="took",stream="s"} 0.01' in text
    await chain.process([Message(b'{"k":"%d","n":1}' % n) for n in range(MAX_SERIES + 5)])
    assert metrics.exposition().decode().count("penstock_custom_total{") == MAX_SERIES


def test_a_resource_that_contains_itself_is_refused() -> None:
    """Endless at build time would be a crash of the gateway."""

    async def build() -> None:
        resources = [{"label": "a", "try": [{"resource": "b"}]}, {"label": "b", "for_each": [{"resource": "a"}]}]
        build_chain([{"resource": "a"}], processor_resources=resources)

    with pytest.raises(ConfigError) as caught:
        asyncio.run(build())
    assert "contains itself" in str(caught.value)
