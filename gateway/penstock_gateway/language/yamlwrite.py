"""Values as YAML the way Go's yaml.v3 writes them: four spaces, keys in natural order, quotes only where needed."""

from __future__ import annotations

import math
from functools import cmp_to_key

from penstock_gateway.document import Number, Sentinel, Timestamp, Value, go_float
from penstock_gateway.language.sizes import Sink
from penstock_gateway.language.yamlscalars import reads_as_text

_INDENT = 4
_FIRST = frozenset("#,[]{}&*!|>'\"%@`")
_ESCAPES = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
}


def write(value: Value) -> str:
    """Write one document."""
    out = Sink()
    if type(value) in (dict, list) and value:
        _block(value, 0, False, out)
    else:
        out.append(_scalar(value, 0) + "\n")
    return out.text()


def _block(value: Value, indent: int, in_item: bool, out: Sink) -> None:
    """Write a container that is not empty; inside of a sequence item its first line follows the dash."""
    if type(value) is list:
        for index, item in enumerate(value):
            out.append("- " if in_item and index == 0 else " " * indent + "- ")
            _value(item, indent + 2, True, out)
        return
    for index, key in enumerate(sorted(value, key=cmp_to_key(_natural))):
        out.append(("" if in_item and index == 0 else " " * indent) + _key(key) + ":")
        item = value[key]
        if type(item) in (dict, list) and item:
            out.append("\n")
            _block(item, _next(indent), False, out)
        else:
            out.append(" " + _scalar(item, _next(indent)) + "\n")


def _next(indent: int) -> int:
    return _INDENT * ((indent + _INDENT) // _INDENT)


def _value(item: Value, indent: int, in_item: bool, out: Sink) -> None:
    if type(item) is bytes:
        item = list(item)
    if type(item) in (dict, list) and item:
        _block(item, indent, in_item, out)
    else:
        out.append(_scalar(item, indent) + "\n")


def _scalar(value: Value, indent: int) -> str:
    kind = type(value)
    if kind is str:
        return _text(value, indent)
    if value is None or kind is Sentinel:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is Number:
        value = value.value
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if math.isnan(value):
            return ".nan"
        if math.isinf(value):
            return ".inf" if value > 0 else "-.inf"
        return go_float(value)
    if kind is Timestamp:
        text: str = value.rfc3339()
        return text
    if kind is bytes:
        return "[" + ", ".join(str(byte) for byte in value) + "]"
    return "{}" if kind is dict else "[]"


def _key(text: str) -> str:
    return _text(text, 0, key=True)


def _text(text: str, indent: int, *, key: bool = False) -> str:
    if "\n" in text and not key:
        return _literal(text, indent)
    if not text or not reads_as_text(text):
        return _double(text)
    if _plain(text):
        return text
    if _singly(text):
        return "'" + text.replace("'", "''") + "'"
    return _double(text)


def _plain(text: str) -> bool:
    """Tell whether a text needs no quotes outside of flow collections."""
    if text[0] in _FIRST or text[0] == " " or text[-1] == " " or text.startswith(("---", "...")):
        return False
    if text[0] in "-?:" and (len(text) == 1 or text[1].isspace()):
        return False
    return ": " not in text and not text.endswith(":") and " #" not in text and _singly(text)


def _singly(text: str) -> bool:
    """Tell whether a text can stand in single quotes: printable, one line."""
    return all(char.isprintable() and char not in "\xa0\ufeff" for char in text)


def _literal(text: str, indent: int) -> str:
    lines = text.split("\n")
    if any(line.endswith(" ") for line in lines) or not all(_singly(line.replace("\t", "")) for line in lines):
        return _double(text)
    hint = str(_INDENT) if text[0] in " \n" else ""
    chomp = "-" if lines[-1] else "+" if len(lines) > 1 and not lines[-2] else ""
    if not lines[-1]:
        lines.pop()
    shown = "".join(("\n" + " " * max(indent, _INDENT) + line) if line else "\n" for line in lines)
    return f"|{hint}{chomp}{shown}"


def _double(text: str) -> str:
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    simple = _ESCAPES.get(char)
    if simple is not None:
        return simple
    if char.isprintable():
        return char
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _natural(left: str, right: str) -> int:
    """Compare keys as yaml.v3 sorts them: runs of digits by their number, letters behind other characters."""
    digits = False
    for index, (one, two) in enumerate(zip(left, right, strict=False)):
        if one == two:
            digits = one.isdigit()
            continue
        letters = one.isalpha(), two.isalpha()
        if all(letters):
            return -1 if one < two else 1
        if any(letters):
            first = letters[0] if digits else letters[1]
            return -1 if first else 1
        return _numeric(left, right, index)
    return len(left) - len(right)


def _numeric(left: str, right: str, index: int) -> int:
    base = 0
    if "0" in (left[index], right[index]):
        before = index - 1
        while before >= 0 and left[before].isdigit():
            if left[before] != "0":
                base = 1
                break
            before -= 1
    one, one_end = _run(left, index, base)
    two, two_end = _run(right, index, base)
    if one != two:
        return -1 if one < two else 1
    if one_end != two_end:
        return -1 if one_end < two_end else 1
    return -1 if left[index] < right[index] else 1


def _run(text: str, index: int, base: int) -> tuple[int, int]:
    end = index
    while end < len(text) and end < index + 18 and "0" <= text[end] <= "9":
        end += 1
    return int(str(base) + text[index:end]), end
