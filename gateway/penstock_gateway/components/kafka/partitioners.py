"""Chooses the partition of a message, as Bento's `kafka` output does: Sarama's partitioners, number for number.

`fnv1a_hash` is Sarama's hash partitioner (FNV-1a 32, signed remainder, then its absolute value); `murmur2_hash` gives what the Java
client gives. Both choose at random for a message without a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Partitioner:
    """How partitions are chosen, both given the number of partitions. `keyed` is None where keys do not matter."""

    keyed: Callable[[bytes, int], int] | None
    unkeyed: Callable[[int], int]

    def choose(self, key: bytes | None, count: int) -> int:
        """The partition of a message with this key."""
        return self.keyed(key, count) if key and self.keyed is not None else self.unkeyed(count)


_FNV_OFFSET, _FNV_PRIME, _32 = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def fnv1a(key: bytes) -> int:
    """FNV-1a, 32 bits, unsigned."""
    number = _FNV_OFFSET
    for byte in key:
        number = ((number ^ byte) * _FNV_PRIME) & _32
    return number


def murmur2(key: bytes) -> int:
    """MurmurHash2 with Kafka's seed, 32 bits, unsigned."""
    factor = 0x5BD1E995
    length = len(key)
    number = 0x9747B28C ^ length
    for start in range(0, length & ~3, 4):
        word = (int.from_bytes(key[start : start + 4], "little") * factor) & _32
        word = ((word ^ (word >> 24)) * factor) & _32
        number = ((number * factor) & _32) ^ word
    rest = key[length & ~3 :]
    if rest:
        number = ((number ^ int.from_bytes(rest, "little")) * factor) & _32
    number = ((number ^ (number >> 13)) * factor) & _32
    return number ^ (number >> 15)


@lru_cache(maxsize=8192)
def fnv1a_partition(key: bytes, count: int) -> int:
    """Sarama's `NewHashPartitioner`: Go's remainder keeps the sign, and Sarama takes its absolute value."""
    number = fnv1a(key)
    signed = number - (1 << 32) if number >> 31 else number
    return abs(signed) % count


@lru_cache(maxsize=8192)
def murmur2_partition(key: bytes, count: int) -> int:
    """The Java client's partition of a key."""
    return (murmur2(key) & 0x7FFFFFFF) % count


def partitioner(name: str, random: Callable[[], float]) -> Partitioner:
    """The partitioner of that name; `random` gives numbers in [0, 1)."""
    keyed = {"fnv1a_hash": fnv1a_partition, "murmur2_hash": murmur2_partition}.get(name)
    return Partitioner(keyed, _in_turn() if name == "round_robin" else lambda count: int(random() * count))


def _in_turn() -> Callable[[int], int]:
    """One after the other, beginning with the first."""
    following = 0

    def choose(count: int) -> int:
        nonlocal following
        partition = following if following < count else 0
        following = partition + 1
        return partition

    return choose
