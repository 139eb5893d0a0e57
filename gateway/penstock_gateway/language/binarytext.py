"""Bytes as text and back: base64 in three alphabets, hex, ascii85, z85, with the error texts of Go's decoders."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

_STANDARD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_URL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_Z85_VALUES = {byte: value for value, byte in enumerate(_Z85)}


class EncodingError(ValueError):
    """Bytes that are not of the encoding, in Go's words."""


def _encode_z85(raw: bytes) -> str:
    if len(raw) % 4:
        raise EncodingError("z85: wrongly aligned input data")
    out = bytearray()
    for at in range(0, len(raw), 4):
        number = int.from_bytes(raw[at : at + 4])
        out += bytes(_Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return out.decode()


def _decode_z85(raw: bytes) -> bytes:
    if len(raw) % 5:
        raise EncodingError("z85: wrongly aligned input data")
    out = bytearray()
    for at in range(0, len(raw), 5):
        number = 0
        for offset, byte in enumerate(raw[at : at + 5]):
            value = _Z85_VALUES.get(byte)
            if value is None:
                raise EncodingError(f"z85: invalid byte at offset {at + offset}")
            number = number * 85 + value
        if number >= 2**32:
            raise EncodingError("z85: decoding overflow")
        out += number.to_bytes(4)
    return bytes(out)


ENCODERS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "base64rawurl": lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    "hex": lambda raw: raw.hex(),
    "ascii85": lambda raw: base64.a85encode(raw).decode(),
    "z85": _encode_z85,
}


def _corrupt(offset: int) -> EncodingError:
    return EncodingError(f"illegal base64 data at input byte {offset}")


def _decode_base64(raw: bytes, alphabet: frozenset[int], padded: bool) -> bytes:
    """Decode as a stream: a text cut off inside a group of four is an unexpected end."""
    text = raw.replace(b"\n", b"").replace(b"\r", b"")
    body = text.rstrip(b"=") if padded else text
    bad = next((at for at, byte in enumerate(body) if byte not in alphabet), None)
    if bad is not None:
        if padded and len(text) < 4:
            raise EncodingError("unexpected EOF")
        raise _corrupt(bad)
    padding = len(text) - len(body)
    rest = len(body) % 4
    if padded:
        if padding:
            if rest < 2 or padding != 4 - rest:
                _bad_padding(text, body, rest, padding)
        elif rest:
            raise EncodingError("unexpected EOF")
    elif rest == 1:
        raise EncodingError("unexpected EOF") if len(body) < 4 else _corrupt(len(body) - 1)
    return base64.b64decode(body.translate(_TO_STANDARD) + b"=" * (-len(body) % 4))


_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def _bad_padding(text: bytes, body: bytes, rest: int, padding: int) -> None:
    if rest < 2:
        raise _corrupt(len(body))
    if padding < 4 - rest:
        raise EncodingError("unexpected EOF") if len(text) < 4 else _corrupt(len(text))
    raise _corrupt(len(body) + 4 - rest)


def _decode_hex(raw: bytes) -> bytes:
    for byte in raw:
        if byte not in _HEX:
            shown = f"U+{byte:04X}" + (f" '{chr(byte)}'" if chr(byte).isprintable() else "")
            raise EncodingError(f"encoding/hex: invalid byte: {shown}")
    if len(raw) % 2:
        raise EncodingError("unexpected EOF")
    return binascii.unhexlify(raw)


def _decode_ascii85(raw: bytes) -> bytes:
    seen = 0
    for at, byte in enumerate(raw):
        if byte <= 0x20:
            continue
        if byte == 0x7A and seen % 5 == 0:
            continue
        if not 0x21 <= byte <= 0x75:
            raise EncodingError(f"illegal ascii85 data at input byte {at}")
        seen += 1
    body = bytes(byte for byte in raw if byte > 0x20)
    if seen % 5 == 1:
        raise EncodingError(f"illegal ascii85 data at input byte {len(raw)}")
    try:
        return base64.a85decode(body)
    except ValueError:
        raise EncodingError(f"illegal ascii85 data at input byte {len(raw)}") from None


DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda raw: _decode_base64(raw, _STANDARD, True),
    "base64url": lambda raw: _decode_base64(raw, _URL, True),
    "base64rawurl": lambda raw: _decode_base64(raw, _URL, False),
    "hex": _decode_hex,
    "ascii85": _decode_ascii85,
    "z85": _decode_z85,
}
