"""One value under one verb of Go's fmt: `%v %d %s %q %x %g …` and `%!d(string=x)` where verb and value do not fit."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

from penstock_gateway.document import (
    Number,
    Sentinel,
    Timestamp,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Value,
    go_float,
)
from penstock_gateway.language.calendar import Instant
from penstock_gateway.language.goquote import quote
from penstock_gateway.language.gotext import go_type
from penstock_gateway.language.gotime import format_instant

_BASES = {"b": ("b", "0b"), "o": ("o", "0"), "O": ("o", "0o"), "x": ("x", "0x"), "X": ("X", "0X"), "d": ("d", "")}


class Flags:
    """Flags, width and precision of one verb."""

    __slots__ = ("minus", "plus", "precision", "sharp", "space", "width", "zero")

    def __init__(self, flags: str = "", width: int | None = None, precision: int | None = None) -> None:
        self.minus = "-" in flags
        self.plus = "+" in flags
        self.sharp = "#" in flags
        self.space = " " in flags
        self.zero = "0" in flags and not self.minus
        self.width = width
        self.precision = precision

    def pad(self, text: str, zero: bool = False) -> str:
        """Bring text to the width, with zeros behind the sign when asked."""
        width = self.width
        if width is None or len(text) >= width:
            return text
        if self.minus:
            return text.ljust(width)
        if zero and self.zero:
            sign = text[:1] if text[:1] in "+- " else ""
            return sign + text[len(sign) :].rjust(width - len(sign), "0")
        return text.rjust(width, "0" if self.zero and zero else " ")


def bad_verb(value: Value, verb: str) -> str:
    """Write `%!d(string=x)`."""
    if value is None or type(value) is Sentinel:
        return f"%!{verb}(<nil>)"
    return f"%!{verb}({go_type(value)}={format_value(value, 'v', Flags())})"


def format_value(value: Value, verb: str, flags: Flags) -> str:
    """Write a value under a verb; never fails."""
    if verb == "T":
        return _string(go_type(value), "s", flags) or ""
    kind = type(value)
    if value is None or kind is Sentinel:
        return flags.pad("<nil>") if verb == "v" else bad_verb(None, verb)
    written: str | None
    if kind is str:
        written = _string(value, verb, flags)
    elif kind is bool:
        written = flags.pad("true" if value else "false") if verb in "vt" else None
    elif isinstance(value, int):
        written = _integer(value, verb, flags)
    elif isinstance(value, float):
        written = _float(value, verb, flags)
    elif kind is Number:
        written = _string(value.text, verb, flags)
    elif kind is bytes:
        written = _bytes(value, verb, flags)
    elif kind is list:
        return _list(value, verb, flags)
    elif kind is dict:
        return _map(value, verb, flags)
    elif kind is Timestamp:
        instant = Instant(value.ns, value.offset, value.zone)
        written = _string(format_instant(instant, "2006-01-02 15:04:05.999999999 -0700 MST"), verb, flags)
    else:
        written = None
    return bad_verb(value, verb) if written is None else written


def _list(value: list[Value], verb: str, flags: Flags) -> str:
    if verb == "v" and flags.sharp:
        return "[]interface {}{" + ", ".join(format_value(item, verb, flags) for item in value) + "}"
    return "[" + " ".join(format_value(item, verb, flags) for item in value) + "]"


def _map(value: dict[str, Value], verb: str, flags: Flags) -> str:
    pairs = [f"{format_value(key, verb, flags)}:{format_value(value[key], verb, flags)}" for key in sorted(value)]
    if verb == "v" and flags.sharp:
        return "map[string]interface {}{" + ", ".join(pairs) + "}"
    return "map[" + " ".join(pairs) + "]"


def _string(text: str, verb: str, flags: Flags) -> str | None:
    if verb == "v" and flags.sharp:
        return flags.pad(quote(text))
    if verb in "vs":
        return flags.pad(text if flags.precision is None else text[: flags.precision])
    if verb == "q":
        if flags.precision is not None:
            text = text[: flags.precision]
        if flags.sharp and "`" not in text and text.isprintable():
            return flags.pad("`" + text + "`")
        return flags.pad(quote(text, ascii_only=flags.plus))
    if verb in "xX":
        return _hex(text.encode("utf-8", "surrogateescape"), verb, flags)
    return None


def _hex(raw: bytes, verb: str, flags: Flags) -> str:
    if flags.precision is not None:
        raw = raw[: flags.precision]
    prefix = ("0x" if verb == "x" else "0X") if flags.sharp and raw else ""
    text = raw.hex() if verb == "x" else raw.hex().upper()
    if flags.space:
        pairs = [text[at : at + 2] for at in range(0, len(text), 2)]
        return flags.pad(prefix + (" " + prefix).join(pairs))
    return flags.pad(prefix + text)


def _bytes(value: bytes, verb: str, flags: Flags) -> str | None:
    if verb in "vd":
        if verb == "v" and flags.sharp:
            return "[]byte{" + ", ".join(f"0x{item:x}" for item in value) + "}"
        return "[" + " ".join(_integer(Uint8(item), "d", flags) or "" for item in value) + "]"
    if verb in "xX":
        return _hex(value, verb, flags)
    if verb in "sq":
        return _string(value.decode("utf-8", "surrogateescape"), verb, flags)
    return None


def _integer(value: int, verb: str, flags: Flags) -> str | None:
    number = int(value)
    if verb == "v":
        if flags.sharp and isinstance(value, Uint8 | Uint16 | Uint32 | Uint64):
            return _based(number, "x", flags)
        return _based(number, "d", flags) if not flags.sharp else flags.pad(str(number), zero=True)
    if verb in _BASES:
        return _based(number, verb, flags)
    if verb == "c":
        return flags.pad(_rune(number))
    if verb == "q":
        return flags.pad(quote(_rune(number), mark="'", ascii_only=flags.plus))
    if verb == "U":
        text = f"U+{number & (2**64 - 1):04X}"
        if flags.sharp and 0 <= number <= 0x10FFFF and chr(number).isprintable():
            text += f" '{chr(number)}'"
        return flags.pad(text)
    return None


def _rune(number: int) -> str:
    return chr(number) if 0 <= number <= 0x10FFFF and not 0xD800 <= number < 0xE000 else "\ufffd"


def _based(number: int, verb: str, flags: Flags) -> str:
    code, prefix = _BASES[verb]
    if flags.precision == 0 and number == 0:
        return flags.pad("")
    digits = format(abs(number), code)
    if flags.precision is not None:
        digits = digits.rjust(flags.precision, "0")
    sign = "-" if number < 0 else "+" if flags.plus else " " if flags.space else ""
    if flags.zero and flags.width is not None and flags.precision is None:
        digits = digits.rjust(flags.width - len(sign), "0")
    if verb == "O" or (flags.sharp and verb != "d" and not (verb == "o" and digits.startswith("0"))):
        digits = prefix + digits
    return flags.pad(sign + digits)


def _float(value: float, verb: str, flags: Flags) -> str | None:
    if verb not in "vbgGxXfFeE":
        return None
    if not math.isfinite(value):
        text = go_float(value)
        if text == "+Inf" and not flags.plus:
            text = " Inf" if flags.space else "Inf" if verb != "v" else "+Inf"
        if text == "NaN" and (flags.plus or flags.space):
            text = ("+" if flags.plus else " ") + text
        return flags.pad(text)
    text = _float_text(value, verb, flags)
    if text[0] != "-":
        text = ("+" if flags.plus else " " if flags.space else "") + text
    return flags.pad(text, zero=True)


def _float_text(value: float, verb: str, flags: Flags) -> str:
    precision = flags.precision
    if verb in "fF":
        return _fixed(value, 6 if precision is None else precision)
    if verb in "eE":
        return _exponent(format(float(value), f".{6 if precision is None else precision}{verb}"))
    if verb in "xX":
        return _hex_float(value, verb)
    if verb == "b":
        return _binary_float(value)
    if precision is None:
        text = go_float(value)
    else:
        text = _exponent(format(float(value), f".{precision or 1}g"))
    return text.upper() if verb == "G" else text


def _fixed(value: float, precision: int) -> str:
    if precision <= 100:
        return format(float(value), f".{precision}f")
    exact = Decimal(value).quantize(Decimal(1).scaleb(-100), rounding=ROUND_HALF_EVEN)
    return format(exact, "f") + "0" * (precision - 100)


def _exponent(text: str) -> str:
    """Python and Go write the exponent alike: at least two digits."""
    return text


def _hex_float(value: float, verb: str) -> str:
    mantissa, _, power = float(value).hex().partition("p")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    exponent = int(power)
    text = f"{whole}{'.' if fraction else ''}{fraction}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return text.upper() if verb == "X" else text


def _binary_float(value: float) -> str:
    mantissa, exponent = math.frexp(abs(value))
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if mantissa == 0:
        return sign + "0p-1074"
    return f"{sign}{int(mantissa * 2**53)}p{exponent - 53:+d}"
