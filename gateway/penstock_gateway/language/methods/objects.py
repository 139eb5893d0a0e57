"""Methods on objects: keys and values, paths, merging, keeping and dropping fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock_gateway.document import DELETED, Value, kind
from penstock_gateway.language.context import Execution
from penstock_gateway.language.dotpath import MISSING, PathError, drop, find, put, segments
from penstock_gateway.language.errors import EvaluationError, WrongType, wrapped
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.values import get_string


def _object(target: Value) -> dict[str, Value]:
    if type(target) is dict:
        return target
    raise WrongType(target, "object")


@method("keys")
def keys(target: Value) -> list[Value]:
    """List the keys, sorted."""
    return sorted(_object(target))


@method("values")
def values(target: Value) -> list[Value]:
    """List the values in the order of their keys."""
    return [item for _, item in sorted(_object(target).items(), key=_first)]


@method("key_values")
def key_values(target: Value) -> list[Value]:
    """List [{key, value}] in the order of the keys."""
    return [{"key": key, "value": item} for key, item in sorted(_object(target).items(), key=_first)]


def _first(pair: tuple[str, Value]) -> str:
    return pair[0]


@method("exists", Param("path", "string"), prepare=True)
def exists(path: str) -> Callable[[Value], bool]:
    """Tell whether a path leads somewhere, be it to null."""
    parts = segments(path)
    return lambda target: find(target, parts) is not MISSING


@method("get", Param("path", "string"), prepare=True)
def get(path: str) -> Callable[[Value], Value]:
    """Follow a path; null where it leads nowhere."""
    parts = segments(path)

    def run(target: Value) -> Value:
        found = find(target, parts)
        return None if found is MISSING else found

    return run


@method("set", Param("path", "string"), Param("value", "any"), annotate=False)
def set_(target: Value, path: str, value: Value) -> Value:
    """Give a copy with something else at a path; deleted() drops what is there."""
    try:
        if value is DELETED:
            return drop(target, segments(path))
        return put(target, segments(path), value)
    except PathError as error:
        raise EvaluationError(str(error)) from None


# --- keeping and dropping fields --------------------------------------------------------------------------------------

_Tree = dict[str, Any]  # key -> None (the whole field) or the tree of paths below it


def _tree(paths: tuple[Value, ...], *, shallow_wins: bool) -> _Tree:
    tree: _Tree = {}
    for number, path in enumerate(paths):
        try:
            parts = segments(get_string(path))
        except WrongType as error:
            raise wrapped(f"argument {number}: ", error) from None
        _grow(tree, parts, shallow_wins=shallow_wins)
    return tree


def _grow(tree: _Tree, parts: tuple[str, ...], *, shallow_wins: bool) -> None:
    """Enter a path: where one path ends on the way of another, the shorter or the longer one counts."""
    for part in parts[:-1]:
        below = tree.get(part, MISSING)
        if below is MISSING or (below is None and not shallow_wins):
            tree[part] = below = {}
        if below is None:
            return
        tree = below
    last = parts[-1]
    if shallow_wins or not tree.get(last):
        tree[last] = None


@method("without", variadic=True, prepare=True)
def without(*paths: Value) -> Callable[[Value], Value]:
    """Drop the fields at the paths; arrays are not entered."""
    tree = _tree(paths, shallow_wins=True)
    return lambda target: _without(_object(target), tree)


def _without(target: dict[str, Value], tree: _Tree) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for key, item in target.items():
        below = tree.get(key, MISSING)
        if below is MISSING:
            kept[key] = item
        elif below is not None:
            kept[key] = _without(item, below) if type(item) is dict else item
    return kept


@method("with", variadic=True, prepare=True, receives="object", annotate=False)
def with_(*paths: Value) -> Callable[[dict[str, Value]], Value]:
    """Keep only the fields at the paths."""
    tree = _tree(paths, shallow_wins=False)
    return lambda target: _with(target, tree)


def _with(target: dict[str, Value], tree: _Tree) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for key, item in target.items():
        below = tree.get(key, MISSING)
        if below is not MISSING:
            kept[key] = _with(item, below) if below and type(item) is dict else item
    return kept


# --- shapes -----------------------------------------------------------------------------------------------------------


@method("collapse", Param("include_empty", "bool", default=False), context=True)
def collapse(ctx: Execution, target: Value, include_empty: bool) -> dict[str, Value]:
    """Give one flat object with a dot path per leaf."""
    if type(target) is not dict and type(target) is not list:
        raise EvaluationError("not an object or array")
    flat: dict[str, Value] = {}
    _collapse(ctx, target, "", flat, include_empty)
    return flat


def _collapse(ctx: Execution, value: Value, path: str, flat: dict[str, Value], include_empty: bool) -> None:
    if not value and include_empty:
        flat[path] = value
    pairs = value.items() if type(value) is dict else enumerate(value)
    ctx.spend(5 * len(value))
    for key, item in pairs:
        below = f"{path}.{key}" if path else str(key)
        if type(item) is dict or type(item) is list:
            _collapse(ctx, item, below, flat, include_empty)
        else:
            flat[below] = item


@method("explode", Param("path", "string"), context=True)
def explode(ctx: Execution, target: Value, path: str) -> Value:
    """Give the document once per element (or value) of what is at the path, with that element there."""
    document = _object(target)
    parts = segments(path)
    found = find(document, parts)
    tree: _Tree = {}
    _grow(tree, parts, shallow_wins=True)
    rest = _without(document, tree)
    if type(found) is list:
        ctx.spend(len(found) * (len(rest) + 1))
        return [_placed(rest, parts, item) for item in found]
    if type(found) is dict:
        ctx.spend(len(found) * (len(rest) + 1))
        return {key: _placed(rest, parts, item) for key, item in found.items()}
    what = kind(None if found is MISSING else found)
    raise EvaluationError(f"expected array or object value at path '{path}', found: {what}")


def _placed(document: dict[str, Value], parts: tuple[str, ...], item: Value) -> Value:
    try:
        return put(document, parts, item)
    except PathError:
        return document


# --- merging ----------------------------------------------------------------------------------------------------------

_Collide = Callable[[Execution, Value, Value], Value]


def _joined(ctx: Execution, old: Value, new: Value) -> Value:
    """Both values of a collision in one array."""
    left = old if type(old) is list else [old]
    found = [*left, *new] if type(new) is list else [*left, new]
    ctx.spend(len(found))
    return found


def _taken(_ctx: Execution, _old: Value, new: Value) -> Value:
    return new


def _merged(ctx: Execution, into: dict[str, Value], new: dict[str, Value], collide: _Collide) -> dict[str, Value]:
    found = dict(into)
    ctx.spend(len(into) + len(new))
    for key, item in new.items():
        if key not in found:
            found[key] = item
            continue
        old = found[key]
        if type(item) is dict and type(old) is dict:
            found[key] = _merged(ctx, old, item, collide)
        else:
            found[key] = collide(ctx, old, item)
    return found


def _merge(ctx: Execution, target: Value, other: Value, collide: _Collide) -> Value:
    if type(target) is list:
        return _joined(ctx, target, other)
    if type(target) is not dict:
        raise WrongType(target, "object", "array")
    return _merged(ctx, target, other, collide) if type(other) is dict else target


@method("merge", Param("with", "any"), context=True)
def merge(ctx: Execution, target: Value, other: Value) -> Value:
    """Merge objects deeply; what both have becomes an array of both. An array takes the argument at its end."""
    return _merge(ctx, target, other, _joined)


@method("assign", Param("with", "any"), context=True)
def assign(ctx: Execution, target: Value, other: Value) -> Value:
    """Merge objects deeply; the argument wins. An array takes the argument at its end."""
    return _merge(ctx, target, other, _taken)


@method("squash", receives="array", annotate=False, context=True)
def squash(ctx: Execution, target: list[Value]) -> Value:
    """Merge an array of objects into one object; what several have becomes an array."""
    found: dict[str, Value] = {}
    owned: set[int] = set()
    for item in target:
        if type(item) is dict:
            _absorb(ctx, found, item, owned)
    return found


def _absorb(ctx: Execution, into: dict[str, Value], new: dict[str, Value], owned: set[int]) -> None:
    """Merge into a dict that is still being built; `owned` has the ids of the containers in it that may be changed."""
    ctx.spend(len(new))
    for key, item in new.items():
        if key not in into:
            into[key] = item
            continue
        old = into[key]
        if type(old) is dict and type(item) is dict:
            if id(old) not in owned:
                into[key] = old = dict(old)
                owned.add(id(old))
            _absorb(ctx, old, item, owned)
            continue
        if type(old) is not list or id(old) not in owned:
            into[key] = old = list(old) if type(old) is list else [old]
            owned.add(id(old))
        added = item if type(item) is list else [item]
        ctx.spend(len(added))
        old.extend(added)
