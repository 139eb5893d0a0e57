"""Identifiers from a clock reading and random bytes: ksuid, ulid, nanoid, snowflake; and a small seeded generator."""

from __future__ import annotations

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NANOID_ALPHABET = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KSUID_EPOCH = 1_400_000_000
_SNOWFLAKE_EPOCH = 1_288_834_974_657
_MASK = 2**64 - 1


def _digits(number: int, alphabet: str, width: int) -> str:
    found = []
    for _ in range(width):
        number, digit = divmod(number, len(alphabet))
        found.append(alphabet[digit])
    return "".join(reversed(found))


def ksuid(seconds: int, random: bytes) -> str:
    """Give a KSUID: 27 base62 characters of seconds since 2014 and 16 random bytes."""
    stamp = max(seconds - _KSUID_EPOCH, 0) & 0xFFFFFFFF
    return _digits((stamp << 128) | int.from_bytes(random[:16]), _BASE62, 27)


def ulid(milliseconds: int, random: bytes) -> bytes:
    """Give the 16 bytes of a ULID: 48 bits of milliseconds and 10 random bytes."""
    return (milliseconds & (2**48 - 1)).to_bytes(6) + random[:10]


def crockford(raw: bytes) -> str:
    """Write a ULID in its 26 characters."""
    return _digits(int.from_bytes(raw), _CROCKFORD, 26)


def nanoid(alphabet: str, length: int, random: bytes) -> str | None:
    """Pick characters by random bytes without bias; None when the bytes do not suffice."""
    mask = (1 << max((len(alphabet) - 1).bit_length(), 1)) - 1
    picked = [alphabet[index] for byte in random if (index := byte & mask) < len(alphabet)]
    return "".join(picked[:length]) if len(picked) >= length else None


def snowflake(milliseconds: int, node: int, previous: int) -> int:
    """Give a snowflake id larger than the previous one: 41 bits of milliseconds, 10 of the node, 12 of a count."""
    stamp = max(milliseconds - _SNOWFLAKE_EPOCH, 0)
    found = (stamp << 22) | (node << 12)
    if found > previous:
        return found
    if previous & 0xFFF == 0xFFF:
        return (((previous >> 22) + 1) << 22) | (node << 12)
    return previous + 1


class Sequence:
    """A seeded sequence of 64-bit numbers (splitmix64): the same seed gives the same numbers."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, limit: int) -> int:
        """Give a number in [0, limit) without bias."""
        usable = (_MASK + 1) - (_MASK + 1) % limit
        while True:
            number = self._next()
            if number < usable:
                return number % limit
