"""JSON schema documents of drafts 4, 6 and 7 as checks; references only reach into the document itself."""

from __future__ import annotations

from collections.abc import Iterator
from operator import ge, gt, le, lt
from urllib.parse import unquote

from penstock_gateway.document import Value
from penstock_gateway.language import jsonschemarules as rules
from penstock_gateway.language.jsonschemarules import Check, Problem
from penstock_gateway.language.regex import PatternError
from penstock_gateway.language.values import get_int, is_number

MAX_DEPTH = 100
MAX_STEPS = 1_000_000
"""Schemas that may be tried on one value: combinations can multiply along the value's depth."""

_TYPES = ("array", "boolean", "integer", "number", "null", "object", "string")


class SchemaError(ValueError):
    """A document that is no schema."""


class Schema:
    """One schema: its checks in the order in which problems are told."""

    def __init__(self, budget: list[int]) -> None:
        self.budget = budget
        self.refuses_all = False
        self.types: tuple[str, ...] = ()
        self.checks: list[Check] = []
        self.target: Schema | None = None

    def problems(self, value: Value, path: tuple[str, ...]) -> Iterator[Problem]:
        """Give what is wrong with a value."""
        self.budget[0] -= 1
        if len(path) > MAX_DEPTH or self.budget[0] < 0:
            raise SchemaError("the value costs more to check than one message may cost")
        if self.refuses_all:
            yield Problem(path, "false always fails validation")
            return
        if self.target is not None:
            yield from self.target.problems(value, path)
            return
        if self.types:
            given = rules.type_name(value)
            if given not in self.types and not (given == "integer" and "number" in self.types):
                expected = "/".join(self.types)
                yield Problem(path, f"invalid type. expected: {expected}, given: {given}")
                return
        for check in self.checks:
            yield from check(value, path)

    def complaints(self, value: Value) -> list[Problem]:
        """Give everything that is wrong with a document.

        Raises SchemaError where the check would cost too much.
        """
        self.budget[0] = MAX_STEPS
        try:
            return list(self.problems(value, ()))
        except RecursionError:
            raise SchemaError("the schema leads to itself") from None

    def accepts(self, value: Value, path: tuple[str, ...]) -> bool:
        """Tell whether nothing is wrong with a value."""
        return next(self.problems(value, path), None) is None


def compile_schema(document: Value) -> Schema:
    """Build the checks of a schema document.

    Raises SchemaError.
    """
    try:
        return _Compiler(document).schema(document, 0)
    except PatternError as error:
        raise SchemaError(str(error)) from None


def _names(value: Value, keyword: str) -> list[str]:
    if type(value) is not list or not all(type(item) is str for item in value):
        raise SchemaError(f"{keyword} must be of type array of strings")
    return value


def _count(value: Value, keyword: str) -> int:
    if not is_number(value) or get_int(value) < 0:
        raise SchemaError(f"{keyword} must be of an integer")
    return get_int(value)


class _Compiler:
    """The whole document, and the schemas that references have already led to."""

    def __init__(self, document: Value) -> None:
        self.document = document
        self.referenced: dict[str, Schema] = {}
        self.budget = [MAX_STEPS]

    def schema(self, document: Value, depth: int) -> Schema:
        if depth > MAX_DEPTH:
            raise SchemaError("the schema is nested too deeply")
        schema = Schema(self.budget)
        if type(document) is bool:
            schema.refuses_all = not document
            return schema
        if type(document) is not dict:
            raise SchemaError("schema is invalid")
        reference = document.get("$ref")
        if type(reference) is str:
            schema.target = self.reference(reference, depth)
            return schema
        self.types(schema, document)
        schema.checks.extend(self.checks(document, depth))
        return schema

    def reference(self, reference: str, depth: int) -> Schema:
        if reference in self.referenced:
            return self.referenced[reference]
        if not reference.startswith("#"):
            raise SchemaError(f"reference {reference} leads out of the document, which is not supported")
        found = self.document
        for part in reference[1:].split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if type(found) is dict and name in found:
                found = found[name]
            elif type(found) is list and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            else:
                raise SchemaError(f"Object has no key '{name}'")
        placeholder = self.referenced[reference] = Schema(self.budget)
        target = self.schema(found, depth + 1)
        if target is placeholder or target.target is placeholder:
            raise SchemaError(f"reference {reference} leads to itself")
        placeholder.target = target
        return placeholder

    def types(self, schema: Schema, document: dict[str, Value]) -> None:
        wanted = document.get("type")
        if wanted is None:
            return
        names = [wanted] if type(wanted) is str else _names(wanted, "type")
        for name in names:
            if name not in _TYPES:
                raise SchemaError(f"has a primitive type that is NOT VALID -- given: /{name}/")
        schema.types = tuple(sorted(names))

    def several(self, value: Value, keyword: str, depth: int) -> list[Schema]:
        if type(value) is not list or not value:
            raise SchemaError(f"{keyword} must be of type array")
        return [self.schema(item, depth + 1) for item in value]

    def named(self, value: Value, keyword: str, depth: int) -> dict[str, Schema]:
        if type(value) is not dict:
            raise SchemaError(f"{keyword} must be of type object")
        return {name: self.schema(item, depth + 1) for name, item in value.items()}

    def checks(self, document: dict[str, Value], depth: int) -> Iterator[Check]:
        yield from self.combinations(document, depth)
        if "const" in document:
            yield rules.const(document["const"])
        if "enum" in document:
            yield rules.enum(document["enum"])
        yield from self.of_arrays(document, depth)
        yield from self.of_objects(document, depth)
        yield from _of_strings(document)
        yield from _of_numbers(document)

    def combinations(self, document: dict[str, Value], depth: int) -> Iterator[Check]:
        for keyword, make in (("anyOf", rules.any_of), ("oneOf", rules.one_of), ("allOf", rules.all_of)):
            if keyword in document:
                yield make(self.several(document[keyword], keyword, depth))
        if "not" in document:
            yield rules.not_(self.schema(document["not"], depth + 1))
        if "if" in document:
            then, otherwise = (
                self.schema(document[word], depth + 1) if word in document else None for word in ("then", "else")
            )
            yield rules.conditional(self.schema(document["if"], depth + 1), then, otherwise)

    def of_arrays(self, document: dict[str, Value], depth: int) -> Iterator[Check]:
        wanted = document.get("items")
        if wanted is not None:
            schemas = self.several(wanted, "items", depth) if type(wanted) is list else self.schema(wanted, depth + 1)
            rest = document.get("additionalItems")
            yield rules.items(schemas, None if rest is None else self.schema(rest, depth + 1))
        if "minItems" in document:
            limit = _count(document["minItems"], "minItems")
            yield rules.size(list, limit, "array must have at least {} items", at_least=True)
        if "maxItems" in document:
            limit = _count(document["maxItems"], "maxItems")
            yield rules.size(list, limit, "array must have at most {} items", at_least=False)
        if document.get("uniqueItems") is True:
            yield rules.unique()
        if "contains" in document:
            yield rules.contains(self.schema(document["contains"], depth + 1))

    def of_objects(self, document: dict[str, Value], depth: int) -> Iterator[Check]:
        if "minProperties" in document:
            limit = _count(document["minProperties"], "minProperties")
            yield rules.size(dict, limit, "must have at least {} properties", at_least=True)
        if "maxProperties" in document:
            limit = _count(document["maxProperties"], "maxProperties")
            yield rules.size(dict, limit, "must have at most {} properties", at_least=False)
        if type(document.get("required")) is list:
            yield rules.required(_names(document["required"], "required"))
        if {"properties", "patternProperties", "additionalProperties"} & document.keys():
            rest = document.get("additionalProperties")
            yield rules.properties(
                self.named(document.get("properties", {}), "properties", depth),
                self.named(document.get("patternProperties", {}), "patternProperties", depth),
                None if rest is None else self.schema(rest, depth + 1),
            )
        if "propertyNames" in document:
            yield rules.property_names(self.schema(document["propertyNames"], depth + 1))
        if type(document.get("dependencies")) is dict:
            yield rules.dependencies(
                {
                    name: needs if type(needs) is list else self.schema(needs, depth + 1)
                    for name, needs in document["dependencies"].items()
                },
            )


def _of_strings(document: dict[str, Value]) -> Iterator[Check]:
    if "minLength" in document:
        yield rules.length(_count(document["minLength"], "minLength"), at_least=True)
    if "maxLength" in document:
        yield rules.length(_count(document["maxLength"], "maxLength"), at_least=False)
    if type(document.get("pattern")) is str:
        yield rules.pattern(document["pattern"])
    if type(document.get("format")) is str:
        yield rules.format_(document["format"])


def _of_numbers(document: dict[str, Value]) -> Iterator[Check]:
    divisor = document.get("multipleOf")
    if divisor is not None:
        if not is_number(divisor) or rules.exact(divisor) <= 0:
            raise SchemaError("multipleOf must be strictly greater than 0")
        yield rules.multiple_of(divisor)
    for keyword, word, holds, strict in (("maximum", "less than", le, lt), ("minimum", "greater than", ge, gt)):
        exclusive = document.get("exclusive" + keyword.capitalize())
        limit = document.get(keyword)
        if is_number(limit):
            if exclusive is True:  # draft 4
                yield rules.bound(word, limit, strict)
            else:
                yield rules.bound(f"{word} or equal to", limit, holds)
        if is_number(exclusive):
            yield rules.bound(word, exclusive, strict)
