"""Go's fmt.Sprintf over the values of the language: verbs, flags, argument indexes and the `%!d(…)` error forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from penstock_gateway.document import Sentinel, Value
from penstock_gateway.language.gofmtverbs import Flags, format_value
from penstock_gateway.language.gotext import go_type
from penstock_gateway.language.sizes import CACHED_TEXT

_MAX_WIDTH = 1_000_000
_NO_FLAGS = Flags()


@dataclass(slots=True)
class _Spec:
    """One `%…` of a format: what to do is fixed, only `*` and argument positions depend on the arguments."""

    verb: str = ""
    flags: str = ""
    width: int | None = None
    precision: int | None = None
    star_width: bool = False
    star_precision: bool = False
    has_precision: bool = False
    # argument indexes "[n]" before width star, precision star and verb; 0 = none, -1 = malformed
    indexes: dict[str, int] = field(default_factory=dict)


_Piece = str | _Spec


def sprintf(template: str, arguments: Sequence[Value], limit: int) -> str | None:
    """Format like Go's fmt.Sprintf; never fails, but gives None where the text would exceed the limit."""
    if "%" not in template and not arguments:
        return template
    pieces = _parse(template)
    plain = _plain(template) if len(template) <= CACHED_TEXT else None
    written = (
        _fill(pieces, arguments) if plain is not None and plain == len(arguments) else _Printer(arguments).run(pieces)
    )
    out: list[str] = []
    for text in written:
        limit -= len(text)
        if limit < 0:
            return None
        out.append(text)
    return "".join(out)


@lru_cache(maxsize=512)
def _plain(template: str) -> int | None:
    """The number of verbs when all of them are bare `%v` or `%s`, the usual case; else None."""
    specs = [piece for piece in _parse(template) if isinstance(piece, _Spec)]
    bare = all(spec.verb in ("v", "s") and spec == _Spec(verb=spec.verb) for spec in specs)
    return len(specs) if bare else None


def _fill(pieces: tuple[_Piece, ...], arguments: Sequence[Value]) -> Iterator[str]:
    position = 0
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
            continue
        argument = arguments[position]
        position += 1
        if type(argument) is str:
            yield argument
        elif type(argument) is int and piece.verb == "v":
            yield str(argument)
        else:
            yield format_value(argument, piece.verb, _NO_FLAGS)


def _parse(template: str) -> tuple[_Piece, ...]:
    return _parse_short(template) if len(template) <= CACHED_TEXT else _split(template)


@lru_cache(maxsize=512)
def _parse_short(template: str) -> tuple[_Piece, ...]:
    return _split(template)


def _split(template: str) -> tuple[_Piece, ...]:
    pieces: list[_Piece] = []
    position = 0
    while True:
        percent = template.find("%", position)
        if percent < 0:
            if position < len(template):
                pieces.append(template[position:])
            return tuple(pieces)
        if percent > position:
            pieces.append(template[position:percent])
        spec, position = _parse_spec(template, percent + 1)
        pieces.append(spec)


def _parse_spec(template: str, at: int) -> tuple[_Spec, int]:
    spec = _Spec()
    start = at
    while at < len(template) and template[at] in "#0+- ":
        at += 1
    spec.flags = template[start:at]
    at = _parse_index(template, at, spec, "width")
    if template[at : at + 1] == "*":
        spec.star_width = True
        at += 1
        at = _parse_index(template, at, spec, "after")
    else:
        spec.width, at = _parse_number(template, at)
    if template[at : at + 1] == ".":
        spec.has_precision = True
        at = _parse_index(template, at + 1, spec, "precision")
        if template[at : at + 1] == "*":
            spec.star_precision = True
            at += 1
        else:
            spec.precision, at = _parse_number(template, at)
    if "after" not in spec.indexes:
        at = _parse_index(template, at, spec, "verb")
    else:
        spec.indexes["verb"] = spec.indexes.pop("after")
    spec.verb = template[at : at + 1]
    return spec, min(at + 1, len(template))


def _parse_number(template: str, at: int) -> tuple[int | None, int]:
    end = at
    while end < len(template) and template[end] in "0123456789":
        end += 1
    if end == at:
        return None, at
    number = int(template[at : min(end, at + 8)])
    return (None if number > _MAX_WIDTH else number), end


def _parse_index(template: str, at: int, spec: _Spec, slot: str) -> int:
    if template[at : at + 1] != "[":
        return at
    close = template.find("]", at)
    if close < 0:
        spec.indexes[slot] = -1
        return at + 1
    digits = template[at + 1 : close]
    valid = digits.isascii() and digits.isdigit() and len(digits) < 8 and int(digits) > 0
    spec.indexes[slot] = int(digits) if valid else -1
    return close + 1


class _Printer:
    """The arguments and which of them is next."""

    def __init__(self, arguments: Sequence[Value]) -> None:
        self.arguments = arguments
        self.next = 0
        self.good_index = True

    def run(self, pieces: tuple[_Piece, ...]) -> Iterator[str]:
        reordered = False
        for piece in pieces:
            if isinstance(piece, str):
                yield piece
                continue
            self.good_index = True
            reordered = bool(piece.indexes)
            yield self.write(piece)
        if not reordered and self.next < len(self.arguments):
            extra = ", ".join(_extra(argument) for argument in self.arguments[self.next :])
            yield f"%!(EXTRA {extra})"

    def seek(self, spec: _Spec, slot: str) -> None:
        index = spec.indexes.get(slot)
        if index is None:
            return
        if 0 < index <= len(self.arguments):
            self.next = index - 1
        else:
            self.good_index = False

    def star(self) -> int | None:
        """The next argument as width or precision; None when it is no usable integer."""
        if self.next >= len(self.arguments):
            return None
        value = self.arguments[self.next]
        self.next += 1
        if isinstance(value, int) and type(value) is not bool and -_MAX_WIDTH <= value <= _MAX_WIDTH:
            return int(value)
        return None

    def write(self, spec: _Spec) -> str:
        complaint = ""
        width, precision, flags = spec.width, spec.precision, spec.flags
        self.seek(spec, "width")
        if spec.star_width:
            width = self.star()
            if width is None:
                complaint += "%!(BADWIDTH)"
            elif width < 0:
                width, flags = -width, flags + "-"
        if spec.has_precision:
            self.seek(spec, "precision")
            if spec.star_precision:
                precision = self.star()
                if precision is None:
                    complaint += "%!(BADPREC)"
                elif precision < 0:
                    precision = None
            elif precision is None:
                precision = 0
        if not (spec.indexes.keys() == {"width"} and spec.star_width):
            self.seek(spec, "verb")
        return complaint + self.write_verb(spec.verb, Flags(flags, width, precision))

    def write_verb(self, verb: str, flags: Flags) -> str:
        if not verb:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if not self.good_index:
            return f"%!{verb}(BADINDEX)"
        if self.next >= len(self.arguments):
            return f"%!{verb}(MISSING)"
        argument = self.arguments[self.next]
        self.next += 1
        return format_value(argument, verb, flags)


def _extra(value: Value) -> str:
    if value is None or type(value) is Sentinel:
        return "<nil>"
    return f"{go_type(value)}={format_value(value, 'v', Flags())}"
