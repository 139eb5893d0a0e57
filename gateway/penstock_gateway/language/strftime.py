"""`%Y-%m-%d` formats: writing instants with them.

The directives, their padding and what happens to unknown ones (they stay as they are) follow itchyny/timefmt-go.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.language.calendar import MONTHS, SECOND, WEEKDAYS, Instant, Moment, iso_week, moment

COMPOSITES = {
    "c": "a b e H:M:S Y",
    "+": "a b e H:M:S Z Y",
    "v": "e-b-Y",
    "r": "I:M:S p",
    "F": "Y-m-d",
    "D": "m/d/y",
    "x": "m/d/y",
    "T": "H:M:S",
    "X": "H:M:S",
    "R": "H:M",
}
_MAX_WIDTH = 1024


class _Directive:
    """One `%…` with its flags: padding "" is the directive's own, "-" none."""

    __slots__ = ("colons", "padding", "swap", "upper", "width")

    def __init__(self) -> None:
        self.padding = ""
        self.width = 0
        self.colons = 0
        self.upper = False
        self.swap = False

    def number(self, value: int, width: int, padding: str = "0") -> str:
        mark = self.padding or padding
        if mark == "-":
            return str(value)
        width = max(width, self.width)
        if value < 0:
            return "-" + str(-value).rjust(width - 1, mark)
        return str(value).rjust(width, mark)

    def text(self, value: str) -> str:
        if self.swap:
            value = value.lower() if value.isupper() else value.upper()
        elif self.upper:
            value = value.upper()
        if self.padding == "-":
            return value
        return value.rjust(self.width, self.padding or " ")


def format_instant(instant: Instant, layout: str) -> str:
    """Write an instant by a strftime format."""
    when = moment(instant)
    out: list[str] = []
    position, end = 0, len(layout)
    while position < end:
        percent = layout.find("%", position)
        if percent < 0:
            out.append(layout[position:])
            break
        out.append(layout[position:percent])
        directive = _Directive()
        letter, position = _flags(layout, percent + 1, directive)
        text = _directive(letter, directive, when, instant) if letter else None
        out.append(layout[percent:position] if text is None else text)
    return "".join(out)


def _flags(layout: str, position: int, directive: _Directive) -> tuple[str, int]:
    """Read flags, width and colons; give the letter of the directive ("" at the end) and the position after it."""
    end = len(layout)
    while position < end:
        char = layout[position]
        position += 1
        if char == "-":
            directive.padding = "-"
        elif char == "_":
            directive.padding = " "
        elif char == "0":
            directive.padding = "0"
        elif char == "^":
            directive.upper = True
        elif char == "#":
            directive.swap = True
        elif char in "123456789":
            width = int(char)
            while position < end and layout[position] in "0123456789":
                width = min(width * 10 + int(layout[position]), _MAX_WIDTH)
                position += 1
            directive.width = width
        elif char == ":":
            directive.colons += 1
        else:
            return char, position
    return "", position


def _directive(letter: str, directive: _Directive, when: Moment, instant: Instant) -> str | None:
    """Write one directive; None when the letter is unknown."""
    if directive.colons and letter != "z":
        return None
    composite = COMPOSITES.get(letter)
    if composite is not None:
        return _composite(composite, directive, when, instant)
    numeric = _NUMBERS.get(letter)
    if numeric is not None:
        read, width, padding = numeric
        return directive.number(read(when), width, padding)
    return _text(letter, directive, when, instant)


def _text(letter: str, directive: _Directive, when: Moment, instant: Instant) -> str | None:
    match letter:
        case "B":
            return directive.text(MONTHS[when.month - 1])
        case "b" | "h":
            return directive.text(MONTHS[when.month - 1][:3])
        case "A":
            return directive.text(WEEKDAYS[when.weekday])
        case "a":
            return directive.text(WEEKDAYS[when.weekday][:3])
        case "p" | "P":
            if letter == "P":
                directive.swap = not (directive.upper or directive.swap)
            return directive.text("PM" if when.hour >= 12 else "AM")
        case "s":
            return directive.number(instant.ns // SECOND, 0)
        case "f":
            return f"{when.nanosecond // 1000:06d}"
        case "Z":
            return directive.text(when.zone) if when.zone else offset_text(when.offset, 0)
        case "z":
            return offset_text(when.offset, directive.colons)
        case "t":
            return "\t"
        case "n":
            return "\n"
        case "%":
            return "%"
        case _:
            return None


def _composite(letters: str, outer: _Directive, when: Moment, instant: Instant) -> str:
    out = []
    for letter in letters:
        if not letter.isalpha():
            out.append(letter)
            continue
        directive = _Directive()
        directive.upper, directive.swap = outer.upper, outer.swap
        out.append(_directive(letter, directive, when, instant) or "")
    return outer.text("".join(out)) if outer.width else "".join(out)


def offset_text(offset: int, colons: int) -> str:
    """Write a zone offset: `+hhmm`, with one colon `+hh:mm`, two `+hh:mm:ss`, three as short as it can be."""
    sign, seconds = ("-", -offset) if offset < 0 else ("+", offset)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if colons == 0:
        return f"{sign}{hours:02d}{minutes:02d}"
    if colons == 2 or (colons == 3 and seconds):
        return f"{sign}{hours:02d}:{minutes:02d}:{seconds:02d}"
    if colons == 3 and not minutes:
        return f"{sign}{hours:02d}"
    return f"{sign}{hours:02d}:{minutes:02d}"


_NUMBERS: dict[str, tuple[Callable[[Moment], int], int, str]] = {
    "Y": (lambda when: when.year, 4, "0"),
    "y": (lambda when: when.year % 100, 2, "0"),
    "C": (lambda when: when.year // 100, 2, "0"),
    "G": (lambda when: iso_week(when)[0], 4, "0"),
    "g": (lambda when: iso_week(when)[0] % 100, 2, "0"),
    "V": (lambda when: iso_week(when)[1], 2, "0"),
    "U": (lambda when: (when.yearday + 6 - when.weekday) // 7, 2, "0"),
    "W": (lambda when: (when.yearday + 6 - (when.weekday + 6) % 7) // 7, 2, "0"),
    "m": (lambda when: when.month, 2, "0"),
    "d": (lambda when: when.day, 2, "0"),
    "e": (lambda when: when.day, 2, " "),
    "j": (lambda when: when.yearday, 3, "0"),
    "w": (lambda when: when.weekday, 1, "0"),
    "u": (lambda when: when.weekday or 7, 1, "0"),
    "H": (lambda when: when.hour, 2, "0"),
    "k": (lambda when: when.hour, 2, " "),
    "I": (lambda when: when.hour % 12 or 12, 2, "0"),
    "l": (lambda when: when.hour % 12 or 12, 2, " "),
    "M": (lambda when: when.minute, 2, "0"),
    "S": (lambda when: when.second, 2, "0"),
}
