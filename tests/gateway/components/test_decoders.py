"""Every decoder meets bytes nobody made for it: a message comes out, or its marked original, and nothing is raised."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import tarfile
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.components.parts import build_chain
from penstock_gateway.engine.chain import Chain
from penstock_gateway.message import Message

SCHEMA = json.dumps(
    {
        "type": "record", "name": "r",
        "fields": [
            {"name": "a", "type": ["null", "long", {"type": "array", "items": "string"}]},
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
            {"name": "m", "type": {"type": "map", "values": "double"}},
        ],
    }
)  # fmt: skip
DECODERS: list[dict[str, Any]] = [
    *(
        {"unarchive": {"format": name}}
        for name in ("binary", "csv", "json_array", "json_documents", "json_map", "lines")
    ),
    *({"unarchive": {"format": name}} for name in ("tar", "zip", "xml_documents_to_json:cast")),
    *({"decompress": {"algorithm": name}} for name in ("bzip2", "flate", "gzip", "lz4", "snappy", "zlib")),
    {"xml": {"operator": "to_json"}},
    {"msgpack": {"operator": "to_json"}},
    *({"parse_log": {"format": name}} for name in ("syslog_rfc5424", "syslog_rfc3164")),
    *({"avro": {"operator": "to_json", "encoding": name, "schema": SCHEMA}} for name in ("binary", "textual")),
    {"avro": {"operator": "from_json", "encoding": "binary", "schema": SCHEMA}},
    {"grok": {"expressions": ["%{COMMONAPACHELOG}", "%{SYSLOGBASE}", "%{INT:n:int}"]}},
    {"jq": {"query": ".a.b[0] + 1"}},
    {"jmespath": {"query": "a.b[?c > `1`] | sort_by(@, &d)"}},
    {"json_schema": {"schema": '{"type":"object","properties":{"a":{"format":"email","pattern":"^x"}}}'}},
]


def made(sort: str) -> bytes:
    """Something real, of which broken pieces are made."""
    target = io.BytesIO()
    if sort == "tar":
        with tarfile.open(fileobj=target, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a"))
    else:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("a", b"hello" * 20)
    return target.getvalue()


REAL = [
    made("tar"), made("zip"), gzip.compress(b"hello" * 20), b'{"a":{"b":[1]}} [2]', b'a,b\n"1",2\n', b"<a x='1'><b>&amp;</b></a>",
    b'<34>1 2003-10-11T22:14:15Z h a p m [x@1 a="b"] hi', b"<34>Oct 11 22:14:15 h su[1]: hi", b"\x02\x04\x02\x04\x02a\x00",
    b"\x82\xa1a\x01\xa1b\x93\x01\xc0\xcb@\x09!\xfbTD-\x18", b"\x00\x00\x00\x01\x00\x00\x00\x02ab",
]  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Real data with a piece cut off, and some bytes changed."""
    raw = bytearray(draw(st.sampled_from(REAL)))
    raw = raw[: draw(st.integers(0, len(raw)))]
    for _ in range(draw(st.integers(0, 3)) if raw else 0):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


async def check(chain: Chain, raw: bytes) -> None:
    message = Message(raw, {"k": "v"})
    results = [result for batch in await chain.process([message]) for result in batch]
    assert message.raw == raw
    assert message.failure is None
    for result in results:
        assert isinstance(result.raw, bytes)
        assert result.failure is None or (result.raw == raw and result.failure.text)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: str(decoder)[:60])
async def test_no_bytes_break_a_decoder(decoder: dict[str, Any]) -> None:
    chain = build_chain([decoder])
    samples: list[bytes] = []

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.one_of(broken(), st.binary(max_size=60), st.text(max_size=40).map(lambda text: text.encode())))
    def collect(raw: bytes) -> None:
        samples.append(raw)

    collect()
    async with asyncio.timeout(60):
        for raw in [*samples, *REAL]:
            await check(chain, raw)
