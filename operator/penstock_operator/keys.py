"""The form of a key: how one is made, recognised and reduced to what may be stored. Pure; random bytes are an argument.

    pen_<12 base62: public id>_<43 base62: 256 random bits>_<6 base62: CRC-32 of everything before>

The public id names a credential in logs and status. Only the SHA-256 of the whole key is ever stored: 256 random bits leave nothing to
guess, so no slow hash is needed. The checksum lets a scanner, or the gateway, turn junk away without a look-up.
"""

from __future__ import annotations

import hashlib
import re
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 12, 43, 6
ENTROPY = 41
"""Random bytes `mint` takes: 9 for the public id, 32 for the secret."""

PATTERN = r"pen_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}"
"""The published regular expression, for secret scanners."""

IMPORTED_MINIMUM = 32
"""An imported credential needs at least this many characters."""

_KEY = re.compile(PATTERN)
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def base62(number: int, length: int) -> str:
    """The last `length` base62 digits of a number, most significant first."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits


def checksum(text: str) -> str:
    """CRC-32 of a text as six base62 digits."""
    return base62(zlib.crc32(text.encode()), CHECK_LENGTH)


def mint(entropy: bytes) -> str:
    """A new key from `ENTROPY` random bytes."""
    if len(entropy) != ENTROPY:
        raise ValueError(f"a key takes {ENTROPY} random bytes, got {len(entropy)}")
    public = base62(int.from_bytes(entropy[:9], "big"), ID_LENGTH)
    secret = base62(int.from_bytes(entropy[9:], "big"), SECRET_LENGTH)
    return (start := f"pen_{public}_{secret}") + f"_{checksum(start)}"


def is_well_formed(key: str) -> bool:
    """Whether a text has the form of a key, checksum included."""
    return _KEY.fullmatch(key) is not None and checksum(key[:-7]) == key[-CHECK_LENGTH:]


def digest(key: str) -> str:
    """What is stored of a key: SHA-256 of all of it, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def hash_of(key: str) -> str:
    """A key's hash in the form `spec.hashes` takes: `sha256:<64 hexadecimal digits>`."""
    return f"sha256:{digest(key)}"


def is_hash(text: str) -> bool:
    """Whether a text is a hash as `spec.hashes` takes it."""
    return _HASH.fullmatch(text) is not None


def public_id(key: str) -> str:
    """The public id inside a well-formed key; an imported one gets an id from its digest, which reveals nothing of it."""
    return key[4 : 4 + ID_LENGTH] if is_well_formed(key) else id_of_digest(digest(key))


def id_of_digest(hexadecimal: str) -> str:
    """A public id for a credential of which only the digest is known."""
    return stable_id(f"credential {hexadecimal}")


def fingerprint(hexadecimal: str) -> str:
    """The first twelve digits of a digest: enough to compare, too little to look anything up."""
    return hexadecimal[:12]


def stable_id(text: str) -> str:
    """Twelve base62 digits that depend on nothing but a text (a resource's uid, a digest)."""
    return base62(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"), ID_LENGTH)
