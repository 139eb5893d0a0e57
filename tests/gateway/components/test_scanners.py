"""Scanners: what they cut, what they do with sources that are cut off, broken or made to hurt (reliability M-rows)."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import tracemalloc
import zlib
from typing import Any

import cramjam
import pytest

from gateway.components.whole import build_scanner
from penstock_gateway.scanning import ScanError, Source


class Bytes:
    """A source that gives at most `step` bytes at a time."""

    def __init__(self, data: bytes, step: int = 1 << 20) -> None:
        self.stream, self.step = io.BytesIO(data), step

    def read(self, size: int, /) -> bytes:
        return self.stream.read(min(size, self.step))


class Endless:
    """A source of one byte, for ever."""

    def read(self, size: int, /) -> bytes:
        return b"x" * size


def scan(scanner: dict[str, Any], source: Source | bytes, name: str = "") -> tuple[list[str], str]:
    """The messages, and the error that ended them."""
    found: list[str] = []
    try:
        for batch in build_scanner(scanner).scan(Bytes(source) if isinstance(source, bytes) else source, name):
            found += [message.raw.decode() for message in batch]
    except ScanError as error:
        return found, str(error)
    return found, ""


def tar_of(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("scanner", "given", "then"),
    [
        ({"lines": {}}, b"a\r\nb\n\nc", ["a", "b", "", "c"]),
        ({"lines": {"omit_empty": True}}, b"a\n\nb\n", ["a", "b"]),
        ({"lines": {"custom_delimiter": "||"}}, b"a||b\n||c", ["a", "b\n", "c"]),
        ({"chunker": {"size": 3}}, b"abcdefgh", ["abc", "def", "gh"]),
        ({"to_the_end": {}}, b"a\nb\n", ["a\nb\n"]),
        ({"re_match": {"pattern": "(?m)^\\d"}}, b"x\n1a\nb\n2c\n", ["x\n", "1a\nb\n", "2c\n"]),
        ({"re_match": {"pattern": "nothing"}}, b"abc", ["abc"]),
        ({"skip_bom": {"into": {"lines": {}}}}, b"\xef\xbb\xbfa\nb", ["a", "b"]),
        ({"skip_bom": {}}, b"ab", ["ab"]),
        ({"csv": {}}, b'a,b\n1,"x\ny"\n', ['{"a":"1","b":"x\\ny"}']),
        ({"csv": {"parse_header_row": False, "custom_delimiter": ";"}}, b"1;2\n3;4\n", ['["1","2"]', '["3","4"]']),
        ({"json_documents": {}}, b'{"b":1,"a":[{}]} \n[1]\n"x\\"]" 1 true{"c":"}"}',
         ['{"a":[{}],"b":1}', "[1]", '"x\\"]"', "1", "true", '{"c":"}"}']),
        ({"xml_documents": {"operator": "to_json"}}, b"<a>1</a><b>2</b>", ['{"a":"1"}', '{"b":"2"}']),
        ({"tar": {}}, tar_of(("x", b"one"), ("y", b"two")), ["one", "two"]),
        ({"decompress": {"algorithm": "gzip", "into": {"lines": {}}}}, gzip.compress(b"a\n") + gzip.compress(b"b\n"), ["a", "b"]),
        ({"decompress": {"algorithm": "zlib"}}, zlib.compress(b"ab"), ["ab"]),
        ({"decompress": {"algorithm": "bzip2"}}, bz2.compress(b"ab"), ["ab"]),
        ({"decompress": {"algorithm": "snappy"}}, bytes(cramjam.snappy.compress(b"ab")), ["ab"]),
        ({"decompress": {"algorithm": "lz4"}}, bytes(cramjam.lz4.compress(b"ab")), ["ab"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_sources_are_cut_whatever_a_read_gives(
    scanner: dict[str, Any], given: bytes, then: list[str], step: int
) -> None:
    assert scan(scanner, Bytes(given, step)) == (then, "")


@pytest.mark.parametrize(
    ("scanner", "given", "then", "error"),
    [
        ({"csv": {}}, b'a,b\n1,2\n3,"x', ['{"a":"1","b":"2"}'], 'extraneous or missing "'),
        ({"csv": {}}, b"a,b\n1\n", [], "wrong number of fields"),
        ({"csv": {"expected_headers": ["x"]}}, b"a,b\n1,2\n", [], "expected_headers don't match file contents"),
        ({"json_documents": {}}, b'{"a":1}{"b":', ['{"a":1}'], "unexpected EOF"),
        ({"json_documents": {}}, b'{"a":1} nope', ['{"a":1}'], "invalid character"),
        ({"json_documents": {}}, b"[" * 20_000 + b"]" * 20_000, [], "depth"),
        ({"xml_documents": {"operator": "to_json"}}, b"<a>1</a><b>", ['{"a":"1"}'], "EOF"),
        ({"tar": {}}, tar_of(("x", b"one"), ("y", b"two" * 500))[:1800], ["one"], "unexpected EOF"),
        ({"tar": {}}, tar_of(("x", b"one"))[:700], ["one"], "unexpected EOF"),
        ({"tar": {}}, tar_of(("x", b"one"))[:1024] + b"j" * 512, ["one"], "invalid tar header"),
        ({"tar": {}}, b"no archive" * 100, [], "archive/tar"),
        ({"decompress": {"algorithm": "gzip", "into": {"lines": {}}}}, gzip.compress(b"a\n" * 99)[:-9], ["a"] * 99, "unexpected EOF"),
        ({"decompress": {"algorithm": "gzip"}}, b"no gzip", [], "corrupt input"),
        ({"decompress": {"algorithm": "snappy"}}, bytes(cramjam.snappy.compress(b"ab"))[:-1], [], "unexpected EOF"),
        ({"switch": [{"re_match_name": "[.]csv$", "scanner": {"csv": {}}}]}, b"a", [], "no scanner"),
    ],
)  # fmt: skip
def test_a_broken_source_is_an_error_after_what_could_be_read(
    scanner: dict[str, Any], given: bytes, then: list[str], error: str
) -> None:
    found, reason = scan(scanner, given)
    assert found == then
    assert error in reason


@pytest.mark.parametrize(
    "scanner",
    [{"lines": {}}, {"lines": {"custom_delimiter": "ab"}}, {"re_match": {"pattern": "q"}}, {"lines": {"max_buffer_size": 9_000_000}}],
)  # fmt: skip
def test_a_line_without_end_is_bounded(scanner: dict[str, Any]) -> None:
    tracemalloc.start()
    try:
        assert "token too long" in scan(scanner, Endless())[1]
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_bomb_comes_out_only_as_far_as_it_is_read() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    found, error = scan({"decompress": {"algorithm": "gzip", "into": {"lines": {}}}}, bomb)
    assert (found, "token too long" in error) == ([], True)


def test_entities_of_a_document_type_are_not_followed() -> None:
    text = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    found, error = scan({"xml_documents": {"operator": "to_json"}}, text)
    assert "root:" not in "".join(found) + error


def test_a_broken_record_may_be_marked_instead() -> None:
    scanner = build_scanner({"csv": {"continue_on_error": True}})
    messages = [message for batch in scanner.scan(Bytes(b'a,b\n1,x"y\n3,4\n'), "") for message in batch]
    assert [message.failure is not None for message in messages] == [True, False]
    assert [message.meta["csv_row"] for message in messages] == [0, 1]


def test_the_name_of_a_source_chooses_the_scanner() -> None:
    cases = [{"re_match_name": "[.]csv$", "scanner": {"csv": {}}}, {"scanner": {"to_the_end": {}}}]
    assert scan({"switch": cases}, b"a\n1\n", "d/x.csv")[0] == ['{"a":"1"}']
    assert scan({"switch": cases}, b"a\n1\n", "d/x.txt")[0] == ["a\n1\n"]
