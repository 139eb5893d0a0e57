"""The methods of the mapping language, by theme; importing this package registers them all."""

from penstock_gateway.language.methods import (
    arrays,
    coerce,
    encoding,
    escaping,
    iteration,
    numbers,
    objects,
    parsing,
    queries,
    regex,
    strings,
    times,
    tokens,
    widths,
    xmldocs,
    yamldocs,
)

__all__ = [
    "arrays",
    "coerce",
    "encoding",
    "escaping",
    "iteration",
    "numbers",
    "objects",
    "parsing",
    "queries",
    "regex",
    "strings",
    "times",
    "tokens",
    "widths",
    "xmldocs",
    "yamldocs",
]
