"""The processor `protobuf`, with `.proto` files in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.components.parts import build_chain
from penstock_gateway.errors import ConfigError
from penstock_gateway.message import Message

PERSON = """
syntax = "proto3"; // a comment
package t.v1;
import "sub/b.proto";
import "google/protobuf/timestamp.proto";
option go_package = "x";
message Person {
  enum Kind { KIND_A = 0; KIND_B = 1 [deprecated = true]; }
  message Inner { optional int32 n = 1; }
  string first_name = 1;
  int64 big = 2 [deprecated = true];
  repeated Inner inner = 3;
  map<string, sub.Thing> by_name = 4;
  oneof which { string s = 5; bytes b = 6; }
  Kind kind = 7;
  google.protobuf.Timestamp at = 8;
  reserved 9, 10 to 12;
  repeated int32 nums = 13;
}
service S { rpc Get(Person) returns (Person) { option (x) = {a: "b"}; } }
"""
THING = 'syntax = "proto3"; package t.v1.sub; message Thing { double d = 1; /* x */ }'
OLD = "package old; message M { required string a = 1; optional int32 n = 2 [default = 5]; }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.proto").write_text(PERSON)
    (tmp_path / "sub" / "b.proto").write_text(THING)
    (tmp_path / "old.proto").write_text(OLD)
    return tmp_path


def step(folder: Path, operator: str, message: str = "t.v1.Person", **fields: Any) -> dict[str, Any]:
    return {"protobuf": {"operator": operator, "message": message, "import_paths": [str(folder)], **fields}}


async def run(raw: bytes, *steps: dict[str, Any]) -> Message:
    ((message,),) = await build_chain(list(steps)).process([Message(raw)])
    return message


async def test_there_and_back(folder: Path) -> None:
    document = {
        "firstName": "Ann", "big": "9007199254740993", "inner": [{"n": 0}, {}], "byName": {"x": {"d": 1.5}}, "b": "/w==",
        "kind": "KIND_B", "at": "2020-01-02T03:04:05Z", "nums": [1, -2],
    }  # fmt: skip
    raw = json.dumps(document).encode()
    packed = await run(raw, step(folder, "from_json"))
    assert packed.failure is None
    assert b"Ann" in packed.raw
    assert json.loads((await run(packed.raw, step(folder, "to_json"))).raw) == document
    plain = await run(packed.raw, step(folder, "to_json", use_proto_names=True, use_enum_numbers=True))
    assert (plain.document["first_name"], plain.document["kind"]) == ("Ann", 1)


async def test_proto2(folder: Path) -> None:
    packed = await run(b'{"a":"x"}', step(folder, "from_json", "old.M"))
    assert packed.raw == b"\x0a\x01x"
    assert (await run(b'{"n":1}', step(folder, "from_json", "old.M"))).failure is not None


@pytest.mark.parametrize(
    ("operator", "raw", "text"),
    [
        ("from_json", b'{"nope":1}', "failed to unmarshal JSON message 't.v1.Person'"),
        ("from_json", b"{", "failed to unmarshal JSON message 't.v1.Person': unexpected end of JSON input"),
        ("to_json", b"\x0a\xff", "failed to unmarshal protobuf message 't.v1.Person'"),
    ],
)
async def test_bad_input_marks_the_message(folder: Path, operator: str, raw: bytes, text: str) -> None:
    message = await run(raw, step(folder, operator))
    assert message.raw == raw
    assert message.failure is not None
    assert message.failure.text.startswith(text)


async def test_unknown_fields_may_be_dropped(folder: Path) -> None:
    assert (await run(b'{"nope":1}', step(folder, "from_json", discard_unknown=True))).raw == b""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('syntax = "proto3"; message A { string a 1; }', "line 1: expected '='"),
        ('syntax = "proto3";\nmessage A { string a = x; }', "line 2: expected a number"),
        ('syntax = "proto3"; import "gone.proto";', "cannot find gone.proto"),
        ('syntax = "proto3"; message A { Gone g = 1; }', "Gone"),
        ('syntax = "proto3"; message A {', "unexpected end of the text"),
        ('syntax = "proto3"; ' + "message A { " * 100, "nested too deeply"),
    ],
)
async def test_files_that_cannot_be_read_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "x.proto").write_text(text)
    with pytest.raises(ConfigError) as caught:
        build_chain([step(tmp_path, "to_json", "A")])
    assert complaint in str(caught.value)


async def test_a_type_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        build_chain([step(folder, "to_json", "t.v1.Gone")])
    assert "unable to find message 't.v1.Gone'" in str(caught.value)
