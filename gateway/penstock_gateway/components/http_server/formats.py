"""The formats of HTTP bodies as Go's libraries read and write them: media types, multipart, sniffed types. Pure."""

from __future__ import annotations

import quopri
import re
from collections.abc import Sequence

OCTETS = "application/octet-stream"
PLAIN = "text/plain; charset=utf-8"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_QUOTED = re.compile(r'"((?:[^"\\\r\n]|\\.)*)"')


class FormatError(Exception):
    """A body or a header that cannot be read."""


def parse_media_type(text: str) -> tuple[str, dict[str, str]]:
    """`multipart/form-data; boundary=x` as type and parameters; raises FormatError where Go's mime.ParseMediaType would."""
    kind, semicolon, rest = text.partition(";")
    kind = kind.strip().lower()
    major, slash, minor = kind.partition("/")
    if not _TOKEN.fullmatch(major) or (slash and not _TOKEN.fullmatch(minor)):
        raise FormatError("invalid media type")
    parameters: dict[str, str] = {}
    rest = semicolon + rest
    while rest := rest.strip(" \t"):
        if rest == ";":
            break
        name, value, rest = _parameter(rest)
        if name in parameters:
            raise FormatError("duplicate parameter name")
        parameters[name] = value
    return kind, parameters


def _parameter(text: str) -> tuple[str, str, str]:
    """The first of `; name=value; …`, and what comes after it."""
    text = text[1:].lstrip(" \t") if text.startswith(";") else ""
    name = _TOKEN.match(text)
    after = text[name.end() :].lstrip(" \t") if name else ""
    if name is None or not after.startswith("="):
        raise FormatError("invalid media parameter")
    after = after[1:].lstrip(" \t")
    if quoted := _QUOTED.match(after):
        return name[0].lower(), re.sub(r"\\(.)", r"\1", quoted[1]), after[quoted.end() :]
    value = _TOKEN.match(after)
    if value is None:
        raise FormatError("invalid media parameter")
    return name[0].lower(), value[0], after[value.end() :]


def split_multipart(data: bytes, boundary: str) -> list[bytes]:
    """The bodies of the parts, their headers dropped, quoted-printable undone. No boundary in sight = no parts; cut short
    = FormatError."""
    dash = b"--" + boundary.encode()
    at = 0
    while True:  # the preamble, line by line
        end = data.find(b"\n", at)
        line = data[at : end + 1] if end >= 0 else data[at:]
        if end < 0 or line.rstrip(b" \t\r\n") == dash + b"--":
            return []
        if line.startswith(dash) and not line[len(dash) :].strip(b" \t\r\n"):
            break
        at = end + 1
    newline = b"\r\n" if line.endswith(b"\r\n") else b"\n"
    parts: list[bytes] = []
    at = end + 1
    while True:
        body, at = _part(data, at, newline, dash)
        parts.append(body)
        after = data[at:].lstrip(b" \t")
        if after.startswith(b"--"):
            return parts
        if not after.startswith(newline):
            raise FormatError("multipart cut short")
        at = len(data) - len(after) + len(newline)


def _part(data: bytes, at: int, newline: bytes, dash: bytes) -> tuple[bytes, int]:
    """The body of the part that starts at `at` with its headers, and where its closing boundary ends."""
    if data.startswith(newline, at):
        head, start = b"", at + len(newline)
    else:
        blank = data.find(newline + newline, at)
        if blank < 0:
            raise FormatError("multipart cut short")
        head, start = data[at:blank], blank + 2 * len(newline)
    if data.startswith(dash, start):
        return b"", start + len(dash)
    end = data.find(newline + dash, start)
    if end < 0:
        raise FormatError("multipart cut short")
    body = data[start:end]
    if re.search(rb"(?im)^content-transfer-encoding:\s*quoted-printable\s*$", head.replace(b"\r\n", b"\n")):
        body = quopri.decodestring(body)
    return body, end + len(newline) + len(dash)


def join_multipart(parts: Sequence[tuple[str, bytes]], boundary: str) -> bytes:
    """A multipart body of (content type, body) parts."""
    pieces = []
    for kind, body in parts:
        pieces.append(f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + body + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


_HTML = (
    b"<!DOCTYPE HTML", b"<HTML", b"<HEAD", b"<SCRIPT", b"<IFRAME", b"<H1", b"<DIV", b"<FONT", b"<TABLE", b"<A", b"<STYLE",
    b"<TITLE", b"<B", b"<BODY", b"<BR", b"<P", b"<!--",
)  # fmt: skip
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", PLAIN),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\x00", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\x00", "application/x-rar-compressed"),
    (b"\x00asm", "application/wasm"),
)
_CONTAINERS = {
    b"WEBPVP": "image/webp",
    b"AVI ": "video/avi",
    b"WAVE": "audio/wave",
}
_BINARY = frozenset({*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)})


def sniff(data: bytes) -> str:
    """The content type of a body as Go's http.DetectContentType tells it (MP4 left out)."""
    data = data[:512]
    text = data.lstrip(b"\t\n\x0c\r ")
    for tag in _HTML:
        if text[: len(tag)].upper() == tag and text[len(tag) : len(tag) + 1] in (b" ", b">"):
            return "text/html; charset=utf-8"
    if text.startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data.startswith(b"RIFF"):
        for mark, kind in _CONTAINERS.items():
            if data[8:].startswith(mark):
                return kind
    return OCTETS if not _BINARY.isdisjoint(data) else PLAIN
