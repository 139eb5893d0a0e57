"""Everything that can be wrong with a mapping: its text (ParseError) or one run of it (EvaluationError).

ParseError              the text is no mapping: the author's fault; nothing is built
EvaluationError         one message could not be mapped: it is flagged with the text and passes on unchanged
    FailedAssignment    … with the line of the statement
    InternalError       a built-in did not foresee what it got
    NoContext           `this` where there is none
    TooManyMaps         endless recursion of named maps
    WrongType           `expected string value, got null from field `this.x``
    Mismatch            `cannot add types string (from …) and number (from …)`

How origins are named (as in Bento): the first node on the way up that can say where the value came from adds it, once.
"""

from __future__ import annotations

from typing import TypeVar

from penstock_gateway.document import Number, Value, go_float, kind

__all__ = [
    "UNFORESEEN", "EvaluationError", "FailedAssignment", "InternalError", "Mismatch", "NoContext", "ParseError", "TooManyMaps",
    "WrongType", "annotated", "wrapped",
]  # fmt: skip

_E = TypeVar("_E", bound="EvaluationError")


class ParseError(Exception):
    """A text that is no mapping. `line` and `column` count from 1, columns in characters; `text` has no position.

    `detail` is the rendered error of an imported file, if that is what is wrong.
    """

    def __init__(self, text: str, line: int, column: int, detail: str = "") -> None:
        super().__init__(f"line {line} char {column}: {text}")
        self.text = text
        self.line = line
        self.column = column
        self.detail = detail

    def render(self, source: str) -> str:
        """The error with the source line it is in and a mark under the place."""
        lines = source.split("\n")
        shown = lines[self.line - 1].rstrip("\r") if 0 < self.line <= len(lines) else ""
        gutter = " " * len(str(self.line))
        mark = " " * (self.column - 1) + "^---"
        shown = shown[: self.column + 59]
        rendered = f"{self}\n{gutter} |\n{self.line} | {shown}\n{gutter} | {mark}"
        return f"{rendered}\n\n{self.detail}" if self.detail else rendered


class EvaluationError(Exception):
    """One run of a mapping failed. `text` is the whole cause as `.catch(err -> …)` sees it, without statement line."""

    def __init__(self, text: str, *, has_origin: bool = False, cause: EvaluationError | None = None) -> None:
        super().__init__(text)
        self._text = text
        self.has_origin = has_origin
        self.cause = cause

    @property
    def text(self) -> str:
        """The cause."""
        return self._text

    def find(self, wanted: type[_E]) -> _E | None:
        """The first error of this class among this one and its causes."""
        error: EvaluationError | None = self
        while error is not None and not isinstance(error, wanted):
            error = error.cause
        return error

    def __str__(self) -> str:
        return self.text


class NoContext(EvaluationError):
    """`this` was asked for where there is none: outside of everything, or the body is no document."""

    def __init__(self, field: str = "") -> None:
        super().__init__(f"context was undefined, unable to reference `{field}`" if field else "context was undefined")
        self.field = field


class TooManyMaps(EvaluationError):
    """Named maps called one another too deeply."""

    def __init__(self, name: str, limit: int) -> None:
        why = "this could be due to unbounded recursion"
        super().__init__(f"entering map {name} exceeded maximum allowed stacks of {limit}, {why}")


class InternalError(EvaluationError):
    """A built-in did not foresee what it got: our fault. Only the message fails, the stream goes on."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"internal error: {type(error).__name__}: {error}")


UNFORESEEN = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""What a bug in a built-in raises; RecursionError is told apart from it."""


class FailedAssignment(EvaluationError):
    """A statement failed. Its text says the line, counted from where the mapping or the named map starts."""

    def __init__(self, line: int, cause: EvaluationError) -> None:
        super().__init__(f"failed assignment (line {line}): {cause.text}", has_origin=cause.has_origin, cause=cause)
        self.line = line


class WrongType(EvaluationError):
    """A value of another kind than wanted. `origin` is filled in by the first caller who knows it."""

    def __init__(self, value: Value, *expected: str, origin: str = "") -> None:
        super().__init__("")
        self.expected = expected
        self.got = kind(value)
        self.shown = _shown(value)
        self.origin = origin

    @property
    def text(self) -> str:
        """`expected string, array or object value, got number from field `this.x` (4)`."""
        wanted = self.expected[-1]
        if len(self.expected) > 1:
            wanted = ", ".join(self.expected[:-1]) + " or " + wanted
        text = f"expected {wanted} value, got {self.got}"
        if self.origin:
            text += f" from {self.origin}"
        return f"{text} ({self.shown})" if self.shown else text


class Mismatch(EvaluationError):
    """Two operands that an operator cannot take together."""

    def __init__(self, verb: str, left: Value, left_origin: str, right: Value, right_origin: str) -> None:
        super().__init__(
            f"cannot {verb} types {kind(left)} (from {left_origin}) and {kind(right)} (from {right_origin})",
        )


def _shown(value: Value) -> str:
    """The value inside a WrongType text: only bools, numbers and strings are shown."""
    what = kind(value)
    if what == "string":
        return f'"{value}"'
    if what == "bool":
        return "true" if value else "false"
    if what == "number":
        if type(value) is Number:
            return value.text
        return go_float(value) if isinstance(value, float) else int.__repr__(value)
    return ""


def annotated(error: EvaluationError, origin: str) -> EvaluationError:
    """The error with the origin of its value, unless it has one already. Always `raise annotated(error, …) from None`."""
    if type(error) is WrongType:
        if not error.origin:
            error.origin = origin
        return error
    if type(error) is Mismatch or error.has_origin:
        return error
    return EvaluationError(f"{origin}: {error.text}", has_origin=True, cause=error)


def wrapped(prefix: str, error: EvaluationError) -> EvaluationError:
    """A new error `prefix + cause`, which remembers whether the cause already has an origin (Go's %w)."""
    return EvaluationError(prefix + error.text, has_origin=error.has_origin, cause=error)
