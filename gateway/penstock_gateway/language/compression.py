"""Compressing and decompressing bytes in memory, with a bound on what comes out and Go's error texts."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable

import cramjam

MAX_OUTPUT = 32 * 1024 * 1024
"""Bytes that decompression may give."""

_CHUNK = 1024 * 1024


class CompressionError(ValueError):
    """Bytes that are not of the algorithm, or too many of them."""


def _deflate(raw: bytes, level: int, window: int) -> bytes:
    if not -2 <= level <= 9:
        raise CompressionError(f"flate: invalid compression level {level}: want value in range [-2, 9]")
    compressor = zlib.compressobj(max(level, -1), zlib.DEFLATED, window)
    return compressor.compress(raw) + compressor.flush()


def _inflate(raw: bytes, window: int, name: str) -> bytes:
    decompressor = zlib.decompressobj(window)
    out: list[bytes] = []
    size, pending = 0, raw
    try:
        while True:
            piece = decompressor.decompress(pending, _CHUNK)
            out.append(piece)
            size += len(piece)
            _check_size(size)
            pending = decompressor.unconsumed_tail
            if decompressor.eof or not (piece or pending):
                break
    except zlib.error:
        raise CompressionError(_inflate_problem(raw, name)) from None
    if not decompressor.eof:
        raise CompressionError("unexpected EOF" if raw else "EOF")
    following = decompressor.unused_data
    if name == "gzip" and following:
        out.append(_inflate(following, window, name))
        _check_size(size + len(out[-1]))
    return b"".join(out)


def _inflate_problem(raw: bytes, name: str) -> str:
    if name == "gzip":
        return "gzip: invalid header" if raw[:2] != b"\x1f\x8b" else "flate: corrupt input before offset 11"
    if name == "zlib":
        return "zlib: invalid header"
    return "flate: corrupt input before offset 1"


def _check_size(size: int) -> None:
    if size > MAX_OUTPUT:
        raise CompressionError(f"the decompressed data exceeds {MAX_OUTPUT} bytes")


def _snappy(raw: bytes) -> bytes:
    """The block format names its size in front, as a varint."""
    size = shift = 0
    for byte in raw[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    _check_size(size)
    try:
        return bytes(cramjam.snappy.decompress_raw(raw))
    except cramjam.DecompressionError:
        raise CompressionError("snappy: corrupt input") from None


def _frame(raw: bytes, read_into: Callable[[bytes, bytearray], int], name: str) -> bytes:
    """Decompress into a buffer that grows up to the bound: a frame does not have to name its size."""
    size = max(65_536, 4 * len(raw))
    while True:
        size = min(size, MAX_OUTPUT)
        buffer = bytearray(size)
        try:
            length = read_into(raw, buffer)
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise CompressionError(f"{name}: {error}") from None
            if size == MAX_OUTPUT:
                _check_size(size + 1)
            size *= 4
            continue
        return bytes(buffer[:length])


def _lz4(raw: bytes) -> bytes:
    if raw[:4] != b"\x04\x22\x4d\x18":
        raise CompressionError("lz4: bad magic number" if raw else "EOF")
    return _frame(raw, cramjam.lz4.decompress_into, "lz4")


def _zstd(raw: bytes) -> bytes:
    return _frame(raw, cramjam.zstd.decompress_into, "zstd")


def _bzip2(raw: bytes) -> bytes:
    decompressor = bz2.BZ2Decompressor()
    try:
        out = decompressor.decompress(raw, MAX_OUTPUT + 1)
    except OSError:
        raise CompressionError("bzip2 data invalid: bad magic value") from None
    _check_size(len(out))
    if not decompressor.eof:
        raise CompressionError("unexpected EOF")
    return out


COMPRESSORS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": lambda raw, level: _deflate(raw, level, 31),
    "pgzip": lambda raw, level: _deflate(raw, level, 31),
    "zlib": lambda raw, level: _deflate(raw, level, 15),
    "flate": lambda raw, level: _deflate(raw, level, -15),
    "snappy": lambda raw, level: bytes(cramjam.snappy.compress_raw(raw)),
    "lz4": lambda raw, level: bytes(cramjam.lz4.compress(raw)),
    "zstd": lambda raw, level: bytes(cramjam.zstd.compress(raw, level if level > 0 else None)),
}
DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda raw: _inflate(raw, 31, "gzip"),
    "pgzip": lambda raw: _inflate(raw, 31, "gzip"),
    "zlib": lambda raw: _inflate(raw, 15, "zlib"),
    "flate": lambda raw: _inflate(raw, -15, "flate"),
    "bzip2": _bzip2,
    "snappy": _snappy,
    "lz4": _lz4,
    "zstd": _zstd,
}
