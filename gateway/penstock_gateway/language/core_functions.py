"""Functions that read the message, its batch, or the injected environment; and the sentinels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock_gateway.document import DELETED, INT64_MAX, NOTHING, DocumentError, Timestamp, Value, decode
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.nodes import path_segments
from penstock_gateway.language.paths import walk
from penstock_gateway.language.registry import Param, Query, function
from penstock_gateway.language.special import read_file
from penstock_gateway.language.values import get_int, sanitize, to_string

_KEY = Param("key", "string", default="")


@function("batch_index", context=True)
def batch_index(ctx: Execution) -> int:
    return ctx.index


@function("batch_size", context=True)
def batch_size(ctx: Execution) -> int:
    return len(ctx.batch)


@function("content", context=True)
def content(ctx: Execution) -> bytes:
    message = ctx.input()
    return b"" if message is None else message.raw


@function("json", Param("path", "string", default=""), context=True, prepare=True)
def json_(path: str) -> Callable[[Execution], Value]:
    steps = path_segments(path) if path else ()

    def read(ctx: Execution) -> Value:
        message = ctx.input()
        if message is None:
            raise EvaluationError("target message part does not exist")
        try:
            return sanitize(walk(message.document, steps))
        except DocumentError as error:
            raise EvaluationError(error.text) from None

    return read


def _as_text(value: Value) -> Value:
    """Metadata as `meta` gives it: text, and null for none."""
    return to_string(value) or None


@function("meta", _KEY, context=True)
def meta(ctx: Execution, key: str) -> Value:
    message = ctx.input()
    if message is None:
        return None if key else {}
    if key:
        return _as_text(message.meta[key]) if key in message.meta else None
    return {name: to_string(value) for name, value in message.meta.items()}


@function("metadata", _KEY, context=True)
def metadata(ctx: Execution, key: str) -> Value:
    message = ctx.input()
    if message is None:
        return None if key else {}
    return message.meta.get(key) if key else message.meta.copy()


@function("root_meta", _KEY, context=True)
def root_meta(ctx: Execution, key: str) -> Value:
    if ctx.meta is None:
        raise EvaluationError("root metadata cannot be queried in this context")
    if key:
        return _as_text(ctx.meta[key]) if key in ctx.meta else None
    return {name: to_string(value) for name, value in ctx.meta.items()}


@function("error", context=True)
def error(ctx: Execution) -> str | None:
    message = ctx.input()
    return None if message is None or message.failure is None else message.failure.text


@function("errored", context=True)
def errored(ctx: Execution) -> bool:
    message = ctx.input()
    return message is not None and message.failure is not None


def _failure(ctx: Execution) -> Any:
    message = ctx.input()
    return None if message is None else message.failure


@function("error_source_label", context=True)
def error_source_label(ctx: Execution) -> str | None:
    failure = _failure(ctx)
    return None if failure is None else failure.label


@function("error_source_path", context=True)
def error_source_path(ctx: Execution) -> str | None:
    failure = _failure(ctx)
    return None if failure is None else failure.path or None


@function("error_source_type", context=True)
def error_source_type(ctx: Execution) -> str | None:
    failure = _failure(ctx)
    return None if failure is None else failure.component


@function("deleted")
def deleted() -> Value:
    return DELETED


@function("nothing")
def nothing() -> Value:
    return NOTHING


@function("throw", Param("why", "string"))
def throw(why: str) -> Value:
    raise EvaluationError(why)


@function("var", Param("name", "string"), context=True)
def var(ctx: Execution, name: str) -> Value:
    if name in ctx.variables:
        return ctx.variables[name]
    raise EvaluationError(f"variable '{name}' undefined")


# --- the environment ----------------------------------------------------------------------------------------------------


@function("env", Param("name", "string"), Param("no_cache", "bool", default=False), context=True, impure=True)
def env(ctx: Execution, name: str, no_cache: bool) -> str | None:
    return ctx.environment.variables.get(name)


@function("file", Param("path", "string"), Param("no_cache", "bool", default=False), context=True, impure=True)
def file(ctx: Execution, path: str, no_cache: bool) -> bytes:
    return read_file(ctx.environment.files, path)


@function("file_rel", Param("path", "string"), Param("no_cache", "bool", default=False), context=True, impure=True)
def file_rel(ctx: Execution, path: str, no_cache: bool) -> bytes:
    return read_file(ctx.environment.files, path)


@function("file_rel_json", Param("path", "string"), context=True, impure=True)
def file_rel_json(ctx: Execution, path: str) -> Value:
    try:
        return decode(read_file(ctx.environment.files, path))
    except DocumentError as problem:
        raise EvaluationError(problem.text) from None


@function("now", context=True)
def now(ctx: Execution) -> str:
    instant = ctx.environment.clock()
    offset, name = ctx.environment.zone(instant)
    return Timestamp(instant, offset, name).rfc3339()


@function("timestamp_unix", context=True)
def timestamp_unix(ctx: Execution) -> int:
    return ctx.environment.clock() // 1_000_000_000


@function("timestamp_unix_milli", context=True)
def timestamp_unix_milli(ctx: Execution) -> int:
    return ctx.environment.clock() // 1_000_000


@function("timestamp_unix_micro", context=True)
def timestamp_unix_micro(ctx: Execution) -> int:
    return ctx.environment.clock() // 1_000


@function("timestamp_unix_nano", context=True)
def timestamp_unix_nano(ctx: Execution) -> int:
    return ctx.environment.clock()


@function("uuid_v4", context=True)
def uuid_v4(ctx: Execution) -> str:
    number = int.from_bytes(ctx.environment.random(16), "big")
    number = number & ~(0xF << 76) | 4 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_FLOW = "_bento_flow_id"


@function("flow_id", context=True)
def flow_id(ctx: Execution) -> str:
    """An id that stays with the message: kept in its metadata, made when it is first asked for."""
    message = ctx.input()
    for meta in (ctx.meta, None if message is None else message.meta):
        if meta and type(meta.get(_FLOW)) is str:
            known: str = meta[_FLOW]
            return known
    made = f"{ctx.environment.clock()}_{int.from_bytes(ctx.environment.random(8), 'big') >> 1}"
    if ctx.meta is not None and ctx.meta_fresh:
        ctx.meta[_FLOW] = made
    return made


@function("count", Param("name", "string"), context=True, impure=True)
def count(ctx: Execution, name: str) -> int:
    counters = ctx.environment.counters
    counters[name] = counters.get(name, 0) + 1
    return counters[name]


@function(
    "counter",
    Param("min", "query", default=1),
    Param("max", "query", default=INT64_MAX),
    Param("set", "query", optional=True),
    context=True,
    prepare=True,
)
def counter(minimum: Any, maximum: Any, change: Query | None) -> Callable[[Execution], int]:
    """Every call site has its own counter, which lives as long as the compiled mapping."""
    state: list[int] = []

    def step(ctx: Execution) -> int:
        low, high = _whole(ctx, minimum, "min"), _whole(ctx, maximum, "max")
        if high <= low:
            raise EvaluationError(f"min value of {low} must be less than max value of {high}")
        if not state:
            state.append(low - 1)
        if change is not None:
            wish = change(ctx, None)
            if wish is DELETED:
                state[0] = low
                return low
            if wish is None:
                return max(state[0], low)
            if wish is not NOTHING:
                state[0] = get_int(wish)
                return state[0]
        state[0] = low if state[0] >= high else state[0] + 1
        return state[0]

    return step


def _whole(ctx: Execution, query: Any, name: str) -> int:
    value = query(ctx, None) if callable(query) else query
    try:
        return get_int(value)
    except EvaluationError as problem:
        raise EvaluationError(f"failed to resolve {name} argument: {problem.text}") from None
