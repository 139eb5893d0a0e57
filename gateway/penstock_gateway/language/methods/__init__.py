"""The methods of the mapping language, by theme; importing this package registers them all."""

from importlib import import_module
from importlib.util import find_spec

from penstock_gateway.language.methods import (
    arrays,
    coerce,
    encoding,
    escaping,
    iteration,
    messagepack,
    numbers,
    objects,
    parsing,
    queries,
    regex,
    strings,
    times,
    tokens,
    weblike,
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
    "messagepack",
    "numbers",
    "objects",
    "parsing",
    "queries",
    "regex",
    "strings",
    "times",
    "tokens",
    "weblike",
    "widths",
    "xmldocs",
    "yamldocs",
]

if find_spec("cryptography") is not None:
    import_module("penstock_gateway.language.methods.ciphers")
    import_module("penstock_gateway.language.methods.keypairs")
