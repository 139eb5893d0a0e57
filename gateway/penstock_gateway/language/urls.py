"""URLs and query strings as Go's net/url reads and writes them, with its error texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote_plus

from penstock_gateway.language.goquote import quote

_HEX = "0123456789abcdefABCDEF"
_UNESCAPED_HOST = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:[]<>\"",
)
_UNESCAPED_PATH = "-_.~$&+,/:;=@"
_UNESCAPED_FRAGMENT = _UNESCAPED_PATH + "?!()*"


class URLError(ValueError):
    """A text that is no URL or query, in Go's words."""


def query_escape(text: str) -> str:
    """Escape for a query: everything but letters, digits and `-_.~`; a space becomes `+`."""
    return quote_plus(text, safe="~", errors="surrogateescape")


def query_unescape(text: str) -> str:
    """Undo query_escape.

    Raises URLError.
    """
    return unescape(text.replace("+", " ")) if "%" in text or "+" in text else text


def unescape(text: str) -> str:
    """Decode `%xx`.

    Raises URLError for a percent sign without two hex digits.
    """
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    out = bytearray()
    position = 0
    while True:
        percent = raw.find(b"%", position)
        if percent < 0:
            out += raw[position:]
            return out.decode("utf-8", "surrogateescape")
        out += raw[position:percent]
        digits = raw[percent + 1 : percent + 3].decode("latin-1")
        if len(digits) < 2 or digits[0] not in _HEX or digits[1] not in _HEX:
            shown = raw[percent : percent + 3].decode("utf-8", "surrogateescape")
            raise URLError(f"invalid URL escape {quote(shown)}")
        out.append(int(digits, 16))
        position = percent + 3


def parse_query(text: str) -> dict[str, list[str]]:
    """Read `a=1&b=2` into lists of values by key, in order.

    Raises URLError with the first problem.
    """
    found: dict[str, list[str]] = {}
    first: URLError | None = None
    for pair in text.split("&"):
        if ";" in pair:
            first = first or URLError("invalid semicolon separator in query")
            continue
        if not pair:
            continue
        key, _, value = pair.partition("=")
        try:
            found.setdefault(query_unescape(key), []).append(query_unescape(value))
        except URLError as error:
            first = first or error
    if first is not None:
        raise first
    return found


@dataclass(slots=True)
class URL:
    """The parts of a URL, decoded where Go decodes them; `user` is None without user information."""

    scheme: str = ""
    opaque: str = ""
    host: str = ""
    path: str = ""
    raw_path: str = ""
    raw_query: str = ""
    fragment: str = ""
    raw_fragment: str = ""
    user: str | None = None
    password: str | None = None


def parse_url(text: str) -> URL:
    """Read a URL reference.

    Raises URLError (`parse "…": …`).
    """
    try:
        return _parse(text)
    except URLError as error:
        raise URLError(f"parse {quote(text.partition('#')[0] if '#' in text else text)}: {error}") from None


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _parse(text: str) -> URL:
    rest, hash_mark, fragment = text.partition("#")
    if _CONTROL.search(rest):
        raise URLError("net/url: invalid control character in URL")
    url = URL()
    if rest == "*":
        url.path = "*"
    else:
        _parse_without_fragment(rest, url)
    if hash_mark:
        url.fragment = unescape(fragment)
        if _escape(url.fragment, _UNESCAPED_FRAGMENT) != fragment:
            url.raw_fragment = fragment
    return url


def _parse_without_fragment(text: str, url: URL) -> None:
    url.scheme, rest = _scheme(text)
    url.scheme = url.scheme.lower()
    if rest.endswith("?") and rest.count("?") == 1:
        rest = rest[:-1]
    else:
        rest, _, url.raw_query = rest.partition("?")
    if not rest.startswith("/"):
        if url.scheme:
            url.opaque = rest
            return
        if ":" in rest.partition("/")[0]:
            raise URLError("first path segment in URL cannot contain colon")
    if (url.scheme or not rest.startswith("///")) and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        _authority(authority, url)
    url.path = unescape(rest)
    if _escape(url.path, _UNESCAPED_PATH) != rest:
        url.raw_path = rest


def _scheme(text: str) -> tuple[str, str]:
    for index, char in enumerate(text):
        if char.isascii() and char.isalpha():
            continue
        if char.isascii() and (char.isdigit() or char in "+-."):
            if index == 0:
                return "", text
            continue
        if char == ":":
            if index == 0:
                raise URLError("missing protocol scheme")
            return text[:index], text[index + 1 :]
        return "", text
    return "", text


def _authority(authority: str, url: URL) -> None:
    information, at, host = authority.rpartition("@")
    url.host = _host(host)
    if not at:
        return
    if not re.fullmatch(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*", information):
        raise URLError("net/url: invalid userinfo")
    user, colon, password = information.partition(":")
    url.user = unescape(user)
    url.password = unescape(password) if colon else None


def _host(host: str) -> str:
    if host.startswith("["):
        close = host.rfind("]")
        if close < 0:
            raise URLError("missing ']' in host")
        _check_port(host[close + 1 :])
    elif ":" in host:
        _check_port(host[host.rfind(":") :])
    for position, char in enumerate(host):
        if char == "%":
            digits = host[position + 1 : position + 3]
            if len(digits) < 2 or digits[0] not in _HEX or digits[1] not in _HEX:
                raise URLError(f"invalid URL escape {quote(host[position : position + 3])}")
            if int(digits, 16) < 0x80 and digits != "25":
                raise URLError(f"invalid URL escape {quote(host[position : position + 3])}")
        elif char < "\x80" and char not in _UNESCAPED_HOST:
            raise URLError(f"invalid character {quote(char)} in host name")
    return unescape(host)


def _check_port(port: str) -> None:
    if port and not (port[0] == ":" and (port[1:] == "" or (port[1:].isascii() and port[1:].isdigit()))):
        raise URLError(f"invalid port {quote(port)} after host")


def _escape(text: str, safe: str) -> str:
    return "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in safe) else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )
