"""Dot paths into documents ("a.b.0.c", `~1` for a literal dot): reading, and writing by copying what lies on the path."""

from __future__ import annotations

from functools import lru_cache

from penstock_gateway.document import Value
from penstock_gateway.language.goquote import quote
from penstock_gateway.language.sizes import CACHED_TEXT

MISSING = object()
"""What `find` gives where the path leads nowhere."""


class PathError(ValueError):
    """A path that cannot be written, in the words of the reference implementation (Jeffail/gabs)."""


def segments(path: str) -> tuple[str, ...]:
    """Split a dot path and undo its escapes."""
    return _short_segments(path) if len(path) <= CACHED_TEXT else _split(path)


@lru_cache(maxsize=2048)
def _short_segments(path: str) -> tuple[str, ...]:
    return _split(path)


def _split(path: str) -> tuple[str, ...]:
    if "~" not in path:
        return tuple(path.split("."))
    return tuple(part.replace("~1", ".").replace("~0", "~") for part in path.split("."))


def find(value: Value, path: tuple[str, ...]) -> Value:
    """Follow a path; `*` maps over an array. Gives MISSING where it leads nowhere."""
    for depth, part in enumerate(path):
        if type(value) is dict:
            value = value.get(part, MISSING)
            if value is MISSING:
                return MISSING
        elif type(value) is list:
            if part == "*":
                return _find_in_all(value, path[depth + 1 :])
            index = array_index(part)
            if index is None or not 0 <= index < len(value):
                return MISSING
            value = value[index]
        else:
            return MISSING
    return value


def _find_in_all(items: list[Value], rest: tuple[str, ...]) -> Value:
    found = items
    if rest:
        found = [hit for item in items if (hit := find(item, rest)) is not MISSING]
    return found if found else MISSING


def array_index(part: str) -> int | None:
    """Read a segment as an array index as strconv.Atoi does; None when it is none."""
    digits = part[1:] if part[:1] in ("+", "-") else part
    if not digits or len(digits) > 18 or not (digits.isascii() and digits.isdigit()):
        return None
    return int(part)


def put(value: Value, path: tuple[str, ...], new: Value) -> Value:
    """Give a copy of the value with something else at the path; missing parents and nulls become objects.

    Raises PathError.
    """
    if not path:
        return new
    return _put({} if value is None else value, path, 0, new)


def _put(value: Value, path: tuple[str, ...], depth: int, new: Value) -> Value:
    part, last = path[depth], depth == len(path) - 1
    if type(value) is dict:
        child = value.get(part)
        copied = dict(value)
        copied[part] = new if last else _put({} if child is None else child, path, depth + 1, new)
        return copied
    if type(value) is not list:
        raise PathError("encountered value collision whilst building path")
    if part == "-":
        if depth < 1:
            raise PathError("unable to append new array index at root of path")
        return [*value, new if last else _put({}, path, depth + 1, new)]
    index = _checked_index(value, part, depth)
    child = value[index]
    if not last and child is None:
        raise PathError(f"failed to resolve path segment '{depth}': field '{part}' was not found")
    replaced = list(value)
    replaced[index] = new if last else _put(child, path, depth + 1, new)
    return replaced


def _checked_index(value: list[Value], part: str, depth: int) -> int:
    start = f"failed to resolve path segment '{depth}': found array but "
    index = array_index(part)
    if index is None:
        raise PathError(f"{start}segment value '{part}' could not be parsed into array index: {_atoi_problem(part)}")
    if index < 0:
        raise PathError(f"{start}index '{part}' is invalid")
    if index >= len(value):
        raise PathError(f"{start}index '{part}' exceeded target array size of '{len(value)}'")
    return index


def _atoi_problem(part: str) -> str:
    return f"strconv.Atoi: parsing {quote(part)}: invalid syntax"


def drop(value: Value, path: tuple[str, ...]) -> Value:
    """Give a copy of the value without what is at the path.

    Raises PathError when nothing is there.
    """
    parent = find(value, path[:-1]) if len(path) > 1 else value
    part = path[-1]
    if type(parent) is dict:
        if part not in parent:
            raise PathError("field not found")
        return put(value, path[:-1], {key: item for key, item in parent.items() if key != part})
    if type(parent) is not list:
        raise PathError("not an object or array")
    if len(path) < 2:
        raise PathError("unable to delete array index at root of path")
    index = array_index(part)
    if index is None:
        raise PathError(f"failed to parse array index '{part}': {_atoi_problem(part)}")
    if not 0 <= index < len(parent):
        raise PathError("out of bounds")
    return put(value, path[:-1], parent[:index] + parent[index + 1 :])
