"""Methods that escape and unescape text: HTML, URL queries, Go literals."""

from __future__ import annotations

import html
import re
from html.entities import html5

from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.goquote import quote, unquote
from penstock_gateway.language.registry import method
from penstock_gateway.language.sizes import fitting
from penstock_gateway.language.urls import URLError, query_escape, query_unescape

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})


@method("escape_html", receives="string")
def escape_html(target: str) -> str:
    """Escape the five characters that HTML gives a meaning."""
    return fitting(target.translate(_HTML))


_ENTITY = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[0-9A-Za-z]{1,32};?)")


@method("unescape_html", receives="string")
def unescape_html(target: str) -> str:
    """Replace HTML entities by their characters; unknown ones stay."""
    if "&" not in target:
        return target
    return _ENTITY.sub(_character, target)


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] == "#" or name in html5:
        return html.unescape(match[0])
    for end in range(len(name) - 1, 1, -1):  # the longest known prefix that needs no semicolon
        if name[:end] in html5:
            return html5[name[:end]] + name[end:]
    return match[0]


@method("escape_url_query", receives="string")
def escape_url_query(target: str) -> str:
    """Escape for a URL query: a space becomes `+`."""
    return fitting(query_escape(target))


@method("unescape_url_query", receives="string")
def unescape_url_query(target: str) -> str:
    """Undo escape_url_query."""
    try:
        return query_unescape(target)
    except URLError as error:
        raise EvaluationError(str(error)) from None


@method("quote", receives="string")
def quote_(target: str) -> str:
    """Write a Go string literal."""
    return fitting(quote(target))


@method("unquote", receives="string")
def unquote_(target: str) -> str:
    """Read a Go string literal."""
    try:
        return unquote(target)
    except ValueError as error:
        raise EvaluationError(str(error)) from None
