"""Reading and writing along dot paths. Reading never fails; writing copies the containers on its way (copy on write)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock_gateway.document import NOTHING, Value, kind
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError, NoContext
from penstock_gateway.language.nodes import dot_path

Closure = Callable[[Execution, Value], Value]


class NoDocument:
    """Stands for `this` where there is none; any look at it raises NoContext."""


NO_DOCUMENT = NoDocument()


def walk(value: Value, path: tuple[str, ...]) -> Value:
    """The value below a path: a step on anything but an object or array gives null; `*` maps over an array."""
    for place, segment in enumerate(path):
        if type(value) is dict:
            value = value.get(segment)
        elif type(value) is list:
            if segment == "*":
                return _each(value, path[place + 1 :])
            value = value[int(segment)] if _is_index(segment) and int(segment) < len(value) else None
        elif value is NO_DOCUMENT:
            raise NoContext(dot_path(path))
        else:
            return None
    return value


def _is_index(segment: str) -> bool:
    return segment.isascii() and segment.isdigit() and len(segment) < 19


def _each(items: list[Value], rest: tuple[str, ...]) -> Value:
    found = [walk(item, rest) for item in items] if rest else items
    found = [item for item in found if item is not None] if rest else found
    return found or None


def reader(path: tuple[str, ...]) -> Closure:
    """A closure that reads a path below its second argument."""
    if not path:

        def whole(ctx: Execution, this: Value) -> Value:
            if this is NO_DOCUMENT:
                raise NoContext
            return this

        return whole  # a new function each time: queries carry their origin as an attribute
    if len(path) == 1:
        return _one(path)
    return _two(path) if len(path) == 2 else _many(path)


def _one(path: tuple[str, ...]) -> Closure:
    (key,) = path

    def read(ctx: Execution, this: Value) -> Value:
        if type(this) is dict:
            return this.get(key)
        return walk(this, path)

    return read


def _two(path: tuple[str, ...]) -> Closure:
    first, second = path

    def read(ctx: Execution, this: Value) -> Value:
        if type(this) is dict:
            inner = this.get(first)
            if type(inner) is dict:
                return inner.get(second)
        return walk(this, path)

    return read


def _many(path: tuple[str, ...]) -> Closure:
    def read(ctx: Execution, this: Value) -> Value:
        value = this
        for segment in path:
            if type(value) is not dict:
                return walk(this, path)
            value = value.get(segment)
        return value

    return read


def slot_reader(slot: int, path: tuple[str, ...]) -> Closure:
    """Reads a path below a value that an outer closure has stored."""
    if not path:

        def whole(ctx: Execution, this: Value) -> Value:
            value = ctx.slots[slot]
            if value is NO_DOCUMENT:
                raise NoContext
            return value

        return whole
    read = reader(path)

    def below(ctx: Execution, this: Value) -> Value:
        return read(ctx, ctx.slots[slot])

    return below


def root_reader(path: tuple[str, ...]) -> Closure:
    """Reads the document built so far. What was read may now be shared, so the run owns nothing of it any more."""

    def read(ctx: Execution, this: Value) -> Value:
        if ctx.fresh:
            ctx.fresh = False
            ctx.owned = {}
        if ctx.root is NO_DOCUMENT:
            raise EvaluationError("unable to reference `root` from this context")
        return walk(ctx.root, path)

    return read


# --- writing ----------------------------------------------------------------------------------------------------------


def _collision(ctx: Execution, path: tuple[str, ...]) -> EvaluationError:
    """The complaint about the first value on the path that takes no keys."""
    shown = dot_path(path)
    if type(ctx.root) is not dict:
        what = f"the value of the root was a non-object type ({kind(ctx.root)})"
        return EvaluationError(f"unable to set target path {shown} as {what}")
    value, passed = ctx.root, 0
    while type(value) is dict and passed < len(path):
        value = walk(value, (path[passed],))
        passed += 1
    what = f"the value of {dot_path(path[:passed])} was a non-object type ({kind(value)})"
    return EvaluationError(f"unable to set target path {shown} as {what}")


def _own_root(ctx: Execution) -> Any:
    """The root container, ready to be changed."""
    root = ctx.root
    if root is NOTHING or root is None:
        root = {}
    elif ctx.fresh:
        return root
    elif type(root) is dict or type(root) is list:
        root = root.copy()
    else:
        return root
    ctx.root = root
    ctx.fresh = True
    ctx.owned = {}
    return root


def _own(ctx: Execution, container: Any, key: Any, child: Any) -> Any:
    """A child container, ready to be changed."""
    if id(child) in ctx.owned:
        return child
    child = child.copy()
    ctx.owned[id(child)] = child
    container[key] = child
    return child


def _array_index(path: tuple[str, ...], place: int, items: list[Value]) -> int:
    segment = path[place]
    start = f"unable to set target path {dot_path(path)}: failed to resolve path segment '{place}': found array but"
    if not _is_index(segment.removeprefix("-")):
        why = f'strconv.Atoi: parsing "{segment}": invalid syntax'
        raise EvaluationError(f"{start} segment value '{segment}' could not be parsed into array index: {why}")
    if segment.startswith("-"):
        raise EvaluationError(f"{start} index '{segment}' is invalid")
    if int(segment) >= len(items):
        raise EvaluationError(f"{start} index '{segment}' exceeded target array size of '{len(items)}'")
    return int(segment)


def write(ctx: Execution, path: tuple[str, ...], value: Value) -> None:
    """Set a path of the document built so far; missing parents become objects. Raises EvaluationError."""
    container = _own_root(ctx)
    last = len(path) - 1
    for place, segment in enumerate(path):
        if type(container) is dict:
            if place == last:
                container[segment] = value
                return
            child = container.get(segment)
            if child is None:
                container[segment] = child = {}
                ctx.owned[id(child)] = child
            elif type(child) is dict or type(child) is list:
                child = _own(ctx, container, segment, child)
        elif type(container) is list:
            child = _write_item(ctx, path, place, container, value)
            if place == last:
                return
        else:
            raise _collision(ctx, path)
        container = child


def _write_item(ctx: Execution, path: tuple[str, ...], place: int, items: list[Value], value: Value) -> Value:
    """One step through an array: `-` appends, a number replaces or descends."""
    last = place == len(path) - 1
    if path[place] == "-":
        child = value if last else {}
        items.append(child)
        if not last:
            ctx.owned[id(child)] = child
        return child
    index = _array_index(path, place, items)
    if last:
        items[index] = value
        return value
    child = items[index]
    if child is None:
        why = f"failed to resolve path segment '{place}': field '{path[place]}' was not found"
        raise EvaluationError(f"unable to set target path {dot_path(path)}: {why}")
    return _own(ctx, items, index, child) if type(child) is dict or type(child) is list else child


def remove(ctx: Execution, path: tuple[str, ...]) -> None:
    """Delete a path of the document built so far; what is not there is no error."""
    root = _own_root(ctx)
    parent = walk(root, path[:-1]) if type(root) in (dict, list) and "*" not in path[:-1] else None
    key = path[-1]
    if type(parent) is dict:
        if key in parent:
            del _own_path(ctx, root, path[:-1])[key]
    elif type(parent) is list and len(path) > 1 and _is_index(key) and int(key) < len(parent):
        del _own_path(ctx, root, path[:-1])[int(key)]


def _own_path(ctx: Execution, container: Any, path: tuple[str, ...]) -> Any:
    for segment in path:
        key = segment if type(container) is dict else int(segment)
        container = _own(ctx, container, key, container[key])
    return container
