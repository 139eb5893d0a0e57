"""Guesses the media type of a body from its first 512 bytes, by the tables of the WHATWG MIME Sniffing Standard that Go's net/http uses.

Bento answers with the guessed type where a configuration sets none, so clients depend on it.
"""

from __future__ import annotations

_LOOKED_AT = 512
_BLANK = b"\t\n\x0c\r "
_TAGS = (
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
)
_STARTS = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
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
_CONTAINERS = (
    (b"RIFF", b"WEBPVP", "image/webp"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"RIFF", b"WAVE", "audio/wave"),
    (b"FORM", b"AIFF", "audio/aiff"),
)
_NOT_TEXT = frozenset((*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))


def media_type(body: bytes) -> str:
    """The media type of a body, with a charset where it is text."""
    head = body[:_LOOKED_AT]
    text = head.lstrip(_BLANK)
    upper = text[:32].upper()
    for tag in _TAGS:
        if upper.startswith(tag) and (tag == b"<!--" or text[len(tag) : len(tag) + 1] in (b" ", b">")):
            return "text/html; charset=utf-8"
    if text.startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    for start, inner, name in _CONTAINERS:
        if head.startswith(start) and head[8:].startswith(inner):
            return name
    return "application/octet-stream" if not _NOT_TEXT.isdisjoint(head) else "text/plain; charset=utf-8"
