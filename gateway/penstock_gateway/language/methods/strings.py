"""Methods on strings and bytes: case, trimming, searching, replacing, cutting, formatting."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError, WrongType, wrapped
from penstock_gateway.language.gofmt import sprintf
from penstock_gateway.language.gofmtverbs import Flags, format_value
from penstock_gateway.language.gotext import go_type
from penstock_gateway.language.lettercase import lower, title, upper
from penstock_gateway.language.registry import Param, Query, method
from penstock_gateway.language.sizes import MAX_TEXT, bounded, too_large
from penstock_gateway.language.values import bytes_of, equal, get_string, text_of

_LONG = 4096  # characters from which on a result costs fuel


def _cased(change: Callable[[str], str]) -> Callable[[Value], Value]:
    def run(target: Value) -> Value:
        if type(target) is str:
            return change(target)
        if type(target) is bytes:
            return bytes_of(change(text_of(target)))
        raise WrongType(target, "string")

    return run


method("uppercase")(_cased(upper))
method("lowercase")(_cased(lower))
method("capitalize")(_cased(title))


_SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


@method("trim", Param("cutset", "string", optional=True), prepare=True)
def trim(cutset: str | None) -> Callable[[Value], Value]:
    """Drop the characters of the cutset, or white space, at both ends."""
    characters = _SPACES if cutset is None else cutset

    def run(target: Value) -> Value:
        if type(target) is str:
            return target.strip(characters) if characters else target
        if type(target) is bytes:
            return bytes_of(text_of(target).strip(characters)) if characters else target
        raise WrongType(target, "string")

    return run


@method("trim_prefix", Param("prefix", "string"), prepare=True)
def trim_prefix(prefix: str) -> Callable[[Value], Value]:
    """Drop a prefix once, if it is there."""
    raw = bytes_of(prefix)

    def run(target: Value) -> Value:
        if type(target) is str:
            return target.removeprefix(prefix)
        if type(target) is bytes:
            return target.removeprefix(raw)
        raise WrongType(target, "string")

    return run


@method("trim_suffix", Param("suffix", "string"), prepare=True)
def trim_suffix(suffix: str) -> Callable[[Value], Value]:
    """Drop a suffix once, if it is there."""
    raw = bytes_of(suffix)

    def run(target: Value) -> Value:
        if type(target) is str:
            return target.removesuffix(suffix)
        if type(target) is bytes:
            return target.removesuffix(raw)
        raise WrongType(target, "string")

    return run


@method("has_prefix", Param("value", "string"), prepare=True)
def has_prefix(value: str) -> Callable[[Value], bool]:
    """Tell whether a text begins with the value."""
    raw = bytes_of(value)

    def run(target: Value) -> bool:
        if type(target) is str:
            return target.startswith(value)
        if type(target) is bytes:
            return target.startswith(raw)
        raise WrongType(target, "string")

    return run


@method("has_suffix", Param("value", "string"), prepare=True)
def has_suffix(value: str) -> Callable[[Value], bool]:
    """Tell whether a text ends with the value."""
    raw = bytes_of(value)

    def run(target: Value) -> bool:
        if type(target) is str:
            return target.endswith(value)
        if type(target) is bytes:
            return target.endswith(raw)
        raise WrongType(target, "string")

    return run


@method("index_of", Param("value", "string"), prepare=True)
def index_of(value: str) -> Callable[[Value], int]:
    """Give the byte offset of the first occurrence, or -1."""
    raw = bytes_of(value)

    def run(target: Value) -> int:
        if type(target) is str:
            return target.find(value) if target.isascii() else bytes_of(target).find(raw)
        if type(target) is bytes:
            return target.find(raw)
        raise WrongType(target, "string")

    return run


def _replacer(pairs: list[tuple[str, str]]) -> Callable[[Value], Value]:
    raw_pairs = [(bytes_of(old), bytes_of(new)) for old, new in pairs]

    def run(target: Value) -> Value:
        if type(target) is str:
            for old, new in pairs:
                _check_growth(len(target), target.count(old) if len(new) > len(old) else 0, len(new))
                target = target.replace(old, new)
            return target
        if type(target) is bytes:
            for raw_old, raw_new in raw_pairs:
                _check_growth(len(target), target.count(raw_old) if len(raw_new) > len(raw_old) else 0, len(raw_new))
                target = target.replace(raw_old, raw_new)
            return target
        raise WrongType(target, "string")

    return run


def _check_growth(size: int, count: int, each: int) -> None:
    if size + count * each > MAX_TEXT:
        raise too_large()


_OLD_NEW = (Param("old", "string"), Param("new", "string"))


@method("replace", *_OLD_NEW, prepare=True)
@method("replace_all", *_OLD_NEW, prepare=True)
def replace_all(old: str, new: str) -> Callable[[Value], Value]:
    """Replace all occurrences."""
    return _replacer([(old, new)])


@method("replace_many", Param("values", "array"), prepare=True)
@method("replace_all_many", Param("values", "array"), prepare=True)
def replace_all_many(values: list[Value]) -> Callable[[Value], Value]:
    """Replace pair after pair: even elements by the odd ones behind them."""
    if len(values) % 2:
        shown = format_value(values, "v", Flags())
        raise EvaluationError(f"invalid arg, replacements should be in pairs and must therefore be even: {shown}")
    texts = []
    for index, value in enumerate(values):
        try:
            texts.append(get_string(value))
        except WrongType as error:
            raise wrapped(f"invalid replacement value at index {index}: ", error) from None
    return _replacer(list(zip(texts[::2], texts[1::2], strict=True)))


@method("reverse")
def reverse(target: Value) -> Value:
    """Reverse the characters of a string or the bytes of bytes."""
    if type(target) is str:
        return target[::-1]
    if type(target) is bytes:
        return target[::-1]
    raise WrongType(target, "string")


@method("repeat", Param("count", "integer"), context=True)
def repeat(ctx: Execution, target: Value, count: int) -> Value:
    """Repeat a text; a count of zero or less gives an empty one."""
    if type(target) is not str and type(target) is not bytes:
        raise WrongType(target, "string")
    if count <= 0:
        return target[:0]
    size = len(target) * count
    if size > MAX_TEXT:
        raise too_large()
    ctx.spend(size)
    return target * count


def _split_array(target: list[Value], delimiter: Value) -> list[Value]:
    segments: list[Value] = []
    segment: list[Value] = []
    for item in target:
        if equal(delimiter, item):
            segments.append(segment)
            segment = []
        else:
            segment.append(item)
    segments.append(segment)
    return segments


@method("split", Param("delimiter", "any"))
def split(target: Value, delimiter: Value) -> list[Value]:
    """Split a text at a text, or an array at an element; an empty delimiter splits into characters."""
    kind = type(target)
    if kind is list:
        return _split_array(target, delimiter)
    if kind is not str and kind is not bytes:
        raise WrongType(target, "string", "array", "bytes")
    if type(delimiter) is not str:
        raise EvaluationError(
            f"delimiter type: {go_type(delimiter)} must match type of list elements: {go_type(target)}",
        )
    if kind is str:
        return target.split(delimiter) if delimiter else list(target)
    if delimiter:
        return list(target.split(bytes_of(delimiter)))
    return [bytes_of(char) for char in text_of(target)]


@method("split_by", Param("predicate", "query"), context=True)
def split_by(ctx: Execution, target: Value, predicate: Query) -> list[Value]:
    """Split where a query over each character, byte or element is true."""
    kind = type(target)
    if kind is str:
        where, noun = list(target), "character at position"
    elif kind is bytes:
        where, noun = list(target), "byte at position"
    elif kind is list:
        where, noun = target, "index"
    else:
        raise WrongType(target, "string", "array", "bytes")
    segments: list[Value] = []
    start = 0
    for index, item in enumerate(where):
        try:
            matched = predicate(ctx, item)
        except EvaluationError as error:
            raise wrapped(f"predicate returned an error for {noun} {index}: ", error) from None
        if matched is True:
            segments.append(target[start:index])
            start = index + 1
    segments.append(target[start:])
    return segments


@method("format", variadic=True, exact=True, context=True)
def format_(ctx: Execution, target: Value, *arguments: Value) -> str:
    """Fill a Go format with the arguments."""
    for argument in arguments:
        bounded(argument)
    text = sprintf(target if type(target) is str else get_string(target), arguments, MAX_TEXT)
    if text is None:
        raise too_large()
    if len(text) > _LONG:
        ctx.spend(len(text))
    return text


@method("filepath_join")
def filepath_join(target: Value) -> str:
    """Join path elements and clean the result, as on Linux."""
    if type(target) is not list:
        raise WrongType(target, "array")
    elements = []
    for index, element in enumerate(target):
        try:
            elements.append(get_string(element))
        except WrongType as error:
            raise wrapped(f"path element {index}: ", error) from None
    joined = "/".join(element for element in elements if element)
    return _clean(joined) if joined else ""


def _clean(path: str) -> str:
    """Shorten a path lexically: no `.`, no `//`, `..` resolved where possible."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif part != ".." or not rooted:
            kept.append(part)
    return ("/" if rooted else "") + "/".join(kept) or "."


@method("filepath_split", receives="string")
def filepath_split(target: str) -> list[Value]:
    """Split behind the last slash: [directory with slash, file]."""
    cut = target.rfind("/") + 1
    return [target[:cut], target[cut:]]
