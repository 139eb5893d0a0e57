"""Methods that match regular expressions: re_match, re_find_*, re_replace_all."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.regex import PatternError, Regex, Spans, Template, compiled
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.sizes import MAX_TEXT, too_large
from penstock_gateway.language.values import text_of

_PATTERN = Param("pattern", "string")


def _regex(pattern: str) -> Regex:
    try:
        return compiled(pattern)
    except PatternError as error:
        raise EvaluationError(str(error)) from None


def _subject(value: Value) -> bytes:
    if type(value) is str:
        return value.encode("utf-8", "surrogateescape")
    if type(value) is bytes:
        return value
    raise WrongType(value, "string")


@method("re_match", _PATTERN, prepare=True)
def re_match(pattern: str) -> Callable[[Value], bool]:
    """Tell whether the expression occurs in a text."""
    matches = _regex(pattern).matches

    def run(target: Value) -> bool:
        if type(target) is str:
            return matches(target.encode("utf-8", "surrogateescape"))
        return matches(_subject(target))

    return run


def _piece(subject: bytes, span: tuple[int, int]) -> str:
    return text_of(subject[span[0] : span[1]]) if span[0] >= 0 else ""


@method("re_find_all", _PATTERN, prepare=True, context=True)
def re_find_all(pattern: str) -> Callable[[Execution, Value], list[Value]]:
    """List all matches."""
    every = _regex(pattern).every

    def run(ctx: Execution, target: Value) -> list[Value]:
        subject = _subject(target)
        return [_piece(subject, spans[0]) for spans in every(subject, ctx.spend)]

    return run


@method("re_find_all_submatch", _PATTERN, prepare=True, context=True)
def re_find_all_submatch(pattern: str) -> Callable[[Execution, Value], list[Value]]:
    """List all matches, each as the list of the whole and its groups."""
    every = _regex(pattern).every

    def run(ctx: Execution, target: Value) -> list[Value]:
        subject = _subject(target)
        return [[_piece(subject, span) for span in spans] for spans in every(subject, ctx.spend)]

    return run


def _keys(regex: Regex) -> list[str]:
    return [name or str(index) for index, name in enumerate(regex.names)]


def _object(keys: list[str], subject: bytes, spans: Spans) -> dict[str, Value]:
    return {key: _piece(subject, span) for key, span in zip(keys, spans, strict=True)}


@method("re_find_object", _PATTERN, prepare=True)
def re_find_object(pattern: str) -> Callable[[Value], dict[str, Value]]:
    """Give the first match as an object: groups by name or number, the whole as "0"; empty without a match."""
    regex = _regex(pattern)
    keys = _keys(regex)

    def run(target: Value) -> dict[str, Value]:
        subject = _subject(target)
        spans = regex.first(subject)
        if spans is None:
            return {}
        if type(target) is bytes:  # groups of bytes are bytes here, unlike everywhere else
            return {
                key: subject[start:stop] if start >= 0 else b"" for key, (start, stop) in zip(keys, spans, strict=True)
            }
        return _object(keys, subject, spans)

    return run


@method("re_find_all_object", _PATTERN, prepare=True, context=True)
def re_find_all_object(pattern: str) -> Callable[[Execution, Value], list[Value]]:
    """List all matches as objects."""
    regex = _regex(pattern)
    keys = _keys(regex)

    def run(ctx: Execution, target: Value) -> list[Value]:
        subject = _subject(target)
        found = regex.every(subject, ctx.spend)
        if type(target) is bytes:
            return [
                {key: subject[max(start, 0) : max(stop, 0)] for key, (start, stop) in zip(keys, spans, strict=True)}
                for spans in found
            ]
        return [_object(keys, subject, spans) for spans in found]

    return run


@method("re_replace", _PATTERN, Param("value", "string"), prepare=True, context=True)
@method("re_replace_all", _PATTERN, Param("value", "string"), prepare=True, context=True)
def re_replace_all(pattern: str, value: str) -> Callable[[Execution, Value], str]:
    """Replace all matches; `$1`, `$name` and `${name}` in the value stand for groups."""
    regex = _regex(pattern)
    template = Template(value, regex)

    def run(ctx: Execution, target: Value) -> str:
        replaced = regex.replace(_subject(target), template, MAX_TEXT, ctx.spend)
        if replaced is None:
            raise too_large()
        return text_of(replaced)

    return run
