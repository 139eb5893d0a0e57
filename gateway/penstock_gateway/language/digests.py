"""Hashes that the standard library does not have: xxHash64, FNV-1a, and CRC-32 with other polynomials."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache

_MASK = 2**64 - 1
_PRIME1 = 11400714785074694791
_PRIME2 = 14029467366897019727
_PRIME3 = 1609587929392839161
_PRIME4 = 9650029242287828579
_PRIME5 = 2870177450012600261
_POLYNOMIALS = {"Castagnoli": 0x82F63B78, "Koopman": 0xEB31D82E}


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _round(accumulator: int, lane: int) -> int:
    return _rotated((accumulator + lane * _PRIME2) & _MASK, 31) * _PRIME1 & _MASK


def xxhash64(raw: bytes) -> int:
    """Give xxHash64 with seed 0."""
    size, at = len(raw), 0
    if size >= 32:
        one, two, three, four = (_PRIME1 + _PRIME2) & _MASK, _PRIME2, 0, -_PRIME1 & _MASK
        for lanes in struct.iter_unpack("<QQQQ", raw[: size - size % 32]):
            one, two = _round(one, lanes[0]), _round(two, lanes[1])
            three, four = _round(three, lanes[2]), _round(four, lanes[3])
        at = size - size % 32
        state = (_rotated(one, 1) + _rotated(two, 7) + _rotated(three, 12) + _rotated(four, 18)) & _MASK
        for lane in (one, two, three, four):
            state = ((state ^ _round(0, lane)) * _PRIME1 + _PRIME4) & _MASK
    else:
        state = _PRIME5
    state = (state + size) & _MASK
    while at + 8 <= size:
        state ^= _round(0, int.from_bytes(raw[at : at + 8], "little"))
        state = (_rotated(state, 27) * _PRIME1 + _PRIME4) & _MASK
        at += 8
    if at + 4 <= size:
        state ^= int.from_bytes(raw[at : at + 4], "little") * _PRIME1 & _MASK
        state = (_rotated(state, 23) * _PRIME2 + _PRIME3) & _MASK
        at += 4
    for byte in raw[at:]:
        state = _rotated(state ^ (byte * _PRIME5 & _MASK), 11) * _PRIME1 & _MASK
    state = (state ^ (state >> 33)) * _PRIME2 & _MASK
    state = (state ^ (state >> 29)) * _PRIME3 & _MASK
    return state ^ (state >> 32)


@lru_cache(maxsize=4)
def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return tuple(table)


def crc32(raw: bytes, polynomial: str) -> int | None:
    """Give a CRC-32 by the polynomial IEEE, Castagnoli or Koopman; None for another name."""
    if polynomial == "IEEE":
        return zlib.crc32(raw)
    reversed_polynomial = _POLYNOMIALS.get(polynomial)
    if reversed_polynomial is None:
        return None
    table = _table(reversed_polynomial)
    state = 0xFFFFFFFF
    for byte in raw:
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def fnv32(raw: bytes) -> int:
    """Give the 32-bit FNV-1 hash."""
    state = 0x811C9DC5
    for byte in raw:
        state = (state * 0x01000193 & 0xFFFFFFFF) ^ byte
    return state
