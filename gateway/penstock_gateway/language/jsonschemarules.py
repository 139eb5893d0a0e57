"""The keywords of JSON schema: each is a check of one value that gives the problems it finds, in gojsonschema's words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_gateway.document import Number, Value, encode, kind
from penstock_gateway.language.jsonschemaformats import FORMATS
from penstock_gateway.language.regex import compiled
from penstock_gateway.language.values import bytes_of, equal, is_number

if TYPE_CHECKING:
    from penstock_gateway.language.jsonschematext import Schema


class Problem(NamedTuple):
    """What is wrong, and at which path below the document."""

    path: tuple[str, ...]
    text: str


Check = Callable[[Value, tuple[str, ...]], Iterator[Problem]]


def exact(value: Value) -> Decimal:
    """Give a number without rounding."""
    try:
        return Decimal(value.text if type(value) is Number else repr(value) if isinstance(value, float) else int(value))
    except InvalidOperation:
        return Decimal("NaN")


def type_name(value: Value) -> str:
    """Name the schema type of a value."""
    what = kind(value)
    if what == "number":
        number = exact(value)
        return "integer" if number.is_finite() and number == number.to_integral_value() else "number"
    return {"bool": "boolean", "bytes": "string", "timestamp": "string", "delete": "null", "nothing": "null"}.get(
        what, what
    )


def shown(value: Value) -> str:
    """Print a value as the messages do."""
    return f'"{value}"' if type(value) is str else encode(value).decode("utf-8", "replace")


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f") if number.is_finite() else str(number)


def enum(allowed: list[Value]) -> Check:
    """`enum`: one of a list."""
    text = "must be one of the following: " + ", ".join(shown(item) for item in allowed)

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if not any(same(item, value) for item in allowed):
            yield Problem(path, f"{'.'.join(path) or '(root)'} {text}")

    return check


def const(wanted: Value) -> Check:
    """`const`: exactly this."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if not same(wanted, value):
            yield Problem(path, f"{'.'.join(path) or '(root)'} does not match: {shown(wanted)}")

    return check


def same(left: Value, right: Value) -> bool:
    """Compare as JSON: a bool is no number."""
    return (type(left) is bool) == (type(right) is bool) and equal(left, right)


# --- numbers ----------------------------------------------------------------------------------------------------------


def bound(word: str, limit: Value, holds: Callable[[Decimal, Decimal], bool]) -> Check:
    """`minimum`, `maximum` and their exclusive forms."""
    wanted = exact(limit)

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if is_number(value) and not holds(exact(value), wanted):
            yield Problem(path, f"must be {word} {_text(wanted)}")

    return check


def multiple_of(divisor: Value) -> Check:
    """`multipleOf`."""
    wanted = exact(divisor)

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if not is_number(value):
            return
        number = exact(value)
        try:
            rest = number % wanted
        except InvalidOperation:
            rest = Decimal(1)
        if rest != 0:
            yield Problem(path, f"must be a multiple of {_text(wanted)}")

    return check


# --- strings ----------------------------------------------------------------------------------------------------------


def length(limit: int, *, at_least: bool) -> Check:
    """`minLength`, `maxLength`, in characters."""
    word = "greater" if at_least else "less"

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is str and (len(value) < limit if at_least else len(value) > limit):
            yield Problem(path, f"string length must be {word} than or equal to {limit}")

    return check


def pattern(text: str) -> Check:
    """`pattern`."""
    matches = compiled(text).matches

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is str and not matches(bytes_of(value)):
            yield Problem(path, f"does not match pattern '{text.lower()}'")

    return check


def format_(name: str) -> Check:
    """`format`; an unknown one is not checked."""
    fits = FORMATS.get(name)

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if fits is not None and type(value) is str and not fits(value):
            yield Problem(path, f"does not match format '{name.lower()}'")

    return check


# --- arrays -----------------------------------------------------------------------------------------------------------


def size(what: type[list[Value]] | type[dict[str, Value]], limit: int, text: str, *, at_least: bool) -> Check:
    """`minItems`, `maxItems`, `minProperties`, `maxProperties`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is what and (len(value) < limit if at_least else len(value) > limit):
            yield Problem(path, text.format(limit))

    return check


def unique() -> Check:
    """`uniqueItems`: compared by their JSON text, so that the check is linear."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is not list:
            return
        seen: dict[bytes, int] = {}
        for index, item in enumerate(value):
            key = encode(float(exact(item)) if is_number(item) and math.isfinite(float(exact(item))) else item)
            if key in seen:
                yield Problem(path, f"array items[{seen[key]},{index}] must be unique")
            seen.setdefault(key, index)

    return check


def items(schemas: Schema | list[Schema], rest: Schema | None) -> Check:
    """`items` with `additionalItems`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is not list:
            return
        if not isinstance(schemas, list):
            for index, item in enumerate(value):
                yield from schemas.problems(item, (*path, str(index)))
            return
        for index, item in enumerate(value):
            if index < len(schemas):
                yield from schemas[index].problems(item, (*path, str(index)))
            elif rest is not None and rest.refuses_all:
                yield Problem(path, "no additional items allowed on array")
                return
            elif rest is not None:
                yield from rest.problems(item, (*path, str(index)))

    return check


def contains(schema: Schema) -> Check:
    """`contains`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is list and not any(schema.accepts(item, path) for item in value):
            yield Problem(path, "at least one of the items must match")

    return check


# --- objects ----------------------------------------------------------------------------------------------------------


def required(names: list[str]) -> Check:
    """`required`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is dict:
            for name in names:
                if name not in value:
                    yield Problem(path, f"{name} is required")

    return check


def properties(known: dict[str, Schema], patterns: dict[str, Schema], rest: Schema | None) -> Check:
    """`properties`, `patternProperties` and `additionalProperties` together."""
    matchers = [(compiled(text).matches, schema) for text, schema in patterns.items()]

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is not dict:
            return
        for name, item in sorted(value.items()):
            schemas = [known[name]] if name in known else []
            schemas.extend(schema for matches, schema in matchers if matches(bytes_of(name)))
            if schemas or rest is None:
                for schema in schemas:
                    yield from schema.problems(item, (*path, name))
            elif rest.refuses_all:
                yield Problem(path, f"additional property {name} is not allowed")
            else:
                yield from rest.problems(item, (*path, name))

    return check


def property_names(schema: Schema) -> Check:
    """`propertyNames`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is dict:
            for name in sorted(value):
                found = list(schema.problems(name, path))
                if found:
                    yield Problem(path, f'property name of "{name}" does not match')
                    yield from found

    return check


def dependencies(wanted: dict[str, Any]) -> Check:
    """`dependencies`: names, or a schema, that the presence of a property asks for."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if type(value) is not dict:
            return
        for name, needs in wanted.items():
            if name not in value:
                continue
            if not isinstance(needs, list):
                yield from needs.problems(value, path)
                continue
            for other in needs:
                if other not in value:
                    yield Problem(path, f"has a dependency on {other}")

    return check


# --- combinations -----------------------------------------------------------------------------------------------------


def any_of(schemas: list[Schema]) -> Check:
    """`anyOf`; the problems of the closest schema are told too."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        best: list[Problem] | None = None
        for schema in schemas:
            found = list(schema.problems(value, path))
            if not found:
                return
            if best is None or len(found) < len(best):
                best = found
        yield Problem(path, "must validate at least one schema (anyof)")
        yield from best or ()

    return check


def one_of(schemas: list[Schema]) -> Check:
    """`oneOf`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        best: list[Problem] | None = None
        fitting = 0
        for schema in schemas:
            found = list(schema.problems(value, path))
            if not found:
                fitting += 1
            elif best is None or len(found) < len(best):
                best = found
        if fitting != 1:
            yield Problem(path, "must validate one and only one schema (oneof)")
            if fitting == 0:
                yield from best or ()

    return check


def all_of(schemas: list[Schema]) -> Check:
    """`allOf`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        found = [problem for schema in schemas for problem in schema.problems(value, path)]
        yield from found
        if found:
            yield Problem(path, "must validate all the schemas (allof)")

    return check


def not_(schema: Schema) -> Check:
    """`not`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        if schema.accepts(value, path):
            yield Problem(path, "must not validate the schema (not)")

    return check


def conditional(test: Schema, then: Schema | None, otherwise: Schema | None) -> Check:
    """`if`, `then`, `else`."""

    def check(value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        holds = test.accepts(value, path)
        chosen = then if holds else otherwise
        if chosen is None:
            return
        found = list(chosen.problems(value, path))
        if found:
            word = '"then" as "if" was valid' if holds else '"else" as "if" was not valid'
            yield Problem(path, f"must validate {word}")
            yield from found

    return check
