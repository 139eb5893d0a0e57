"""What fields of the resources are made of: texts with a form, quantities, lists with keys, rules for CEL and Python at once.

The same declaration validates a document here and becomes the structural schema in the CRD, so that a file which the command line
accepts is one which the API server accepts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from penstock_operator import quantities


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule over a whole object: CEL for the API server, a function for Python; None = only the API server can tell."""

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None

    def schema(self) -> dict[str, str]:
        """The rule as the CRD writes it."""
        return {"rule": self.cel, "message": self.message}


def exactly_one(*names: str) -> Rule:
    """A union by member: one of the fields, named as in YAML, must be set and no other."""
    shown = ", ".join(f"`{name}`" for name in names)
    message = f"must have exactly one of {shown}" if len(names) > 1 else f"must have {shown}"
    cel = f"[{', '.join(f'has(self.{name})' for name in names)}].exists_one(x, x)"
    return Rule(cel, message, lambda model: sum(_has(model, name) for name in names) == 1)


def _has(model: BaseModel, alias: str) -> bool:
    name = next(name for name, field in type(model).model_fields.items() if (field.alias or name) == alias)
    return getattr(model, name) is not None


class Model(BaseModel):
    """The form of every object in a resource: camelCase, no unknown field, nothing converted silently."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True, frozen=True, strict=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keep_rules(self) -> Model:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        built = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            built["x-kubernetes-validations"] = [rule.schema() for rule in cls.rules]
        return built


@dataclass(frozen=True, slots=True)
class Text:
    """A string with a form. `check` may refuse more than the pattern and says what is expected; `cel` is the same for the API server."""

    pattern: str
    most: int
    expect: str
    least: int = 1
    check: Callable[[str], object] | None = None
    cel: tuple[tuple[str, str], ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        built: dict[str, Any] = {"type": "string", "maxLength": self.most}
        if self.least:
            built["minLength"] = self.least
        if self.pattern:
            built["pattern"] = self.pattern
        if self.cel:
            built["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in self.cel]
        return built

    def _validate(self, value: str) -> str:
        if len(value) > self.most:
            raise ValueError(f"must have at most {self.most} characters")
        if len(value) < self.least:
            raise ValueError("must not be empty")
        if self.pattern and not _matches(self.pattern, value):
            raise ValueError(self.expect)
        if self.check is not None:
            self.check(value)
        return value


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value, re.ASCII) is not None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A size in bytes as Kubernetes writes it, a whole number or text with a unit."""

    most: int
    least: int = 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('{}')) {} 0"
        return {
            "x-kubernetes-int-or-string": True,
            "pattern": quantities.SIZE,
            "maxLength": 16,
            "x-kubernetes-validations": [
                {"rule": text.format(self.least, ">="), "message": f"must be at least {self.least}"},
                {"rule": text.format(self.most, "<="), "message": f"must be at most {self.most}"},
            ],
        }

    def _validate(self, value: Any) -> str | int:
        amount = quantities.size(value)
        if not self.least <= amount <= self.most:
            raise ValueError(f"must be between {self.least} and {self.most} bytes")
        return value  # type: ignore[no-any-return]  # `size` has just said that it is text or a number


@dataclass(frozen=True, slots=True)
class Items:
    """How a list is merged and bounded: a map by `keys`, or a set of scalars when there are none."""

    most: int
    keys: tuple[str, ...] = ()
    least: int = 0
    atomic: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        built = handler(schema)
        kind = "atomic" if self.atomic else "map" if self.keys else "set"
        built |= {"x-kubernetes-list-type": kind, "maxItems": self.most}
        if self.keys and not self.atomic:
            built["x-kubernetes-list-map-keys"] = list(self.keys)
        if self.least:
            built["minItems"] = self.least
        return built

    def _validate(self, value: list[Any]) -> list[Any]:
        if len(value) > self.most:
            raise ValueError(f"must have at most {self.most} items, has {len(value)}")
        if len(value) < self.least:
            raise ValueError(f"must have at least {self.least} item{'s' if self.least > 1 else ''}")
        twice = _first_twice(tuple(getattr(item, key) for key in self.keys) if self.keys else item for item in value)
        if twice is not None:
            shown = twice if isinstance(twice, str) else "/".join(str(part) for part in twice if part is not None)
            raise ValueError(f"must not contain {shown!r} twice")
        return value


def _first_twice(items: Iterable[Any]) -> Any:
    seen: set[Any] = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return None


@dataclass(frozen=True, slots=True)
class Default:
    """What holds when a field is absent, for the manual, and who fills it in: the operator, unless somebody else does."""

    value: str
    by: str = "operator"


LONGEST_HOURS = 87_840
"""Ten years."""


def _within(hours: float) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not 0 < quantities.seconds(text) <= hours * 3600:
            shown = "ten years" if hours == LONGEST_HOURS else f"{round(hours * 3600)}s"
            raise ValueError(f"must be longer than 0s and at most {shown}")

    return check


def _or_never(text: str) -> None:
    if text != "Never":
        _within(LONGEST_HOURS)(text)


def duration_text(hours: float) -> Text:
    """A duration that is at most so many hours long."""
    most = f"{round(hours * 3600)}s"
    rule = f"duration(self) > duration('0s') && duration(self) <= duration('{most}')"
    expected = "must be a duration like '500ms', '30s', '5m' or '720h'"
    cel = ((rule, f"must be longer than 0s and at most {most}"),)
    return Text(quantities.DURATION, 24, expected, check=_within(hours), cel=cel)


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_POSITIVE = f"duration(self) > duration('0s') && duration(self) <= duration('{LONGEST_HOURS}h')"

Duration = Annotated[str, duration_text(LONGEST_HOURS)]
DurationOrNever = Annotated[
    str,
    Text(
        quantities.NEVER,
        24,
        "must be 'Never' or a duration like '30s', '24h'",
        check=_or_never,
        cel=((f"self == 'Never' || {_POSITIVE}", "must be longer than 0s and at most ten years"),),
    ),
]
Instant = Annotated[
    str,
    Text(
        quantities.INSTANT,
        40,
        "must be a time with zone like '2027-01-31T00:00:00Z'",
        check=quantities.instant,
        cel=(("timestamp(self) > timestamp('0001-01-02T00:00:00Z')", "must be a time that exists"),),
    ),
]
ResourceName = Annotated[
    str, Text(rf"^{_LABEL}(\.{_LABEL})*$", 253, "must be the name of an object: lower case, digits, '-' and '.'")
]
Namespace = Annotated[str, Text(rf"^{_LABEL}$", 63, "must be the name of a namespace: lower case, digits and '-'")]
ItemName = Annotated[
    str,
    Text(
        r"^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$",
        50,
        "must start with a letter, then lower case, digits and '-', at most 50",
    ),
]


def _entry(name: str) -> None:
    if name == "." or name.startswith(".."):
        raise ValueError("must not be '.' and not begin with '..'")


EntryName = Annotated[
    str,
    Text(
        r"^[-._a-zA-Z0-9]+$",
        253,
        "must be the name of an entry: letters, digits, '-', '_', '.'",
        check=_entry,
        cel=(("self != '.' && !self.startsWith('..')", "must not be '.' and not begin with '..'"),),
    ),
]
DisplayName = Annotated[
    str, Text(r"^[^\x00-\x1f\x7f]*$", 128, "must not contain control characters"), Field(examples=["Orders"])
]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Size = Annotated[str | int, Quantity(2**40)]


class SecretKeyRef(Model):
    """One entry of a Secret in the same namespace."""

    name: ResourceName
    """Name of the Secret."""
    key: EntryName
    """Entry of the Secret."""


class Rate(Model):
    """How many requests in how long a sliding window."""

    requests: Count
    """Requests, or connection attempts, allowed in one window."""
    window: Duration
    """Length of the sliding window, for example `1s` or `60s`."""


class LabelSelector(Model):
    """Labels that a namespace must have, all of them."""

    match_labels: dict[
        Annotated[str, Text(r"^[-._/a-zA-Z0-9]+$", 317, "must be a label name")],
        Annotated[str, Text(r"^[-._a-zA-Z0-9]*$", 63, "must be a label value", least=0)],
    ] = Field(min_length=1, max_length=16)
    """Label names and the values they must have."""


class NamespacesFrom(Model):
    """Which namespaces are meant."""

    rules = (
        Rule(
            "has(self.selector) == (has(self.from) && self.from == 'Selector')",
            "must have `selector` exactly when `from` is 'Selector'",
            lambda it: (it.selector is not None) == (it.from_ == "Selector"),
        ),
    )
    from_: Annotated[str, Text("^(Same|All|Selector)$", 8, "must be one of 'Same', 'All', 'Selector'")] = Field(
        "Same", alias="from"
    )
    """`Same`: the namespace of this object. `All`: every namespace. `Selector`: namespaces that carry the labels."""
    selector: LabelSelector | None = None
    """Labels of the namespaces, with `from: Selector`."""


class AllowedKeys(Model):
    """Whose Keys may use this object."""

    namespaces: Annotated[NamespacesFrom | None, Default("the namespace of this object")] = None
    """Namespaces the Keys may be in."""
