"""The form of keys."""

from __future__ import annotations

import hashlib
import re

import pytest

from penstock_operator import keys

ENTROPY = bytes(range(keys.ENTROPY))
KEY = keys.mint(ENTROPY)


def test_a_key_has_the_published_form() -> None:
    assert re.fullmatch(keys.PATTERN, KEY)
    assert [len(part) for part in KEY.split("_")] == [3, 12, 43, 6]
    assert keys.is_well_formed(KEY)
    assert keys.public_id(KEY) == KEY.split("_")[1]


def test_the_same_bytes_make_the_same_key_and_other_bytes_another() -> None:
    assert keys.mint(ENTROPY) == KEY
    assert keys.mint(ENTROPY[:-1] + b"\xff") != KEY


def test_every_bit_of_the_secret_reaches_the_key() -> None:
    highest = keys.mint(b"\0" * 9 + b"\xff" * 32)
    number = 0
    for digit in highest.split("_")[2]:
        number = number * 62 + keys.ALPHABET.index(digit)
    assert number == 2**256 - 1


@pytest.mark.parametrize("size", [0, 40, 42])
def test_a_key_takes_exactly_its_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="41 random bytes"):
        keys.mint(b"x" * size)


def test_a_typing_mistake_is_noticed_by_the_checksum() -> None:
    for at, letter in enumerate(KEY):
        if letter != "_":
            wrong = KEY[:at] + ("A" if letter != "A" else "B") + KEY[at + 1 :]
            assert not keys.is_well_formed(wrong), wrong


@pytest.mark.parametrize(
    "text", ["", "pen_", KEY + "\n", " " + KEY, KEY.lower(), KEY.replace("_", "-"), "pen_é" + KEY[5:]]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    assert not keys.is_well_formed(text)


def test_only_the_digest_of_a_whole_key_is_stored() -> None:
    assert keys.digest(KEY) == hashlib.sha256(KEY.encode()).hexdigest()
    assert keys.hash_of(KEY) == "sha256:" + keys.digest(KEY)
    assert keys.is_hash(keys.hash_of(KEY))
    assert not keys.is_hash("sha256:" + "A" * 64)
    assert keys.fingerprint(keys.digest(KEY)) == keys.digest(KEY)[:12]


def test_an_imported_credential_gets_an_id_that_reveals_nothing() -> None:
    imported = "correct horse battery staple and more"
    assert len(keys.public_id(imported)) == 12
    assert keys.public_id(imported) == keys.id_of_digest(keys.digest(imported))
    assert keys.public_id(imported) not in imported
