"""Methods that make text fit for the web: slug, strip_html."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.errors import WrongType, wrapped
from penstock_gateway.language.htmltext import strip
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.slugs import slug as make_slug
from penstock_gateway.language.values import bytes_of, text_of


@method("slug", Param("lang", "string", default="en", optional=True), receives="string", annotate=False)
def slug(target: str, lang: str) -> str:
    """Make a slug."""
    return make_slug(target, lang)


@method("strip_html", Param("preserve", "array", optional=True), prepare=True)
def strip_html(preserve: list[Value] | None) -> Callable[[Value], Value]:
    """Drop HTML tags but those of the preserved elements."""
    for index, name in enumerate(preserve or []):
        if type(name) is not str:
            raise wrapped(f"invalid arg at index {index}: ", WrongType(name, "string"))
    kept = frozenset(str(name).lower() for name in preserve or [])

    def run(target: Value) -> Value:
        if type(target) is str:
            return strip(target, kept)
        if type(target) is bytes:
            return bytes_of(strip(text_of(target), kept))
        raise WrongType(target, "string")

    return run
