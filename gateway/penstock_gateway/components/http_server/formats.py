"""The formats of HTTP bodies as Go's libraries read and write them: media types, multipart. Pure."""

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
