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

_OPTIONAL = {"cryptography": ("argon", "ciphers", "keypairs"), "bcrypt": ("blowfish",)}

for _package, _modules in _OPTIONAL.items():
    if find_spec(_package) is not None:
        for _module in _modules:
            import_module(f"{__name__}.{_module}")
