"""The `format`s of JSON schema that are checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from penstock_gateway.language.gotimeparse import LayoutError, parse_instant
from penstock_gateway.language.regex import PatternError, compiled
from penstock_gateway.language.urls import URLError, parse_url

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_HOST = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_TIMES = ("15:04:05", "15:04:05Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999Z07:00")


def _by_layouts(*layouts: str) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        for layout in layouts:
            try:
                parse_instant(text, layout)
            except LayoutError:
                continue
            return True
        return False

    return fits


def _address(version: int) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return fits


def _uri(text: str) -> bool:
    try:
        return bool(parse_url(text).scheme) and "\\" not in text
    except URLError:
        return False


def _uri_reference(text: str) -> bool:
    try:
        parse_url(text)
    except URLError:
        return False
    return "\\" not in text


def _regex(text: str) -> bool:
    try:
        compiled(text)
    except PatternError:
        return False
    return True


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _by_layouts("2006-01-02"),
    "time": _by_layouts(*_TIMES[:2]),
    "date-time": _by_layouts(*_TIMES),
    "hostname": lambda text: len(text) <= 255 and _HOST.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "idn-email": lambda text: _EMAIL.fullmatch(text) is not None,
    "ipv4": _address(4),
    "ipv6": _address(6),
    "uri": _uri,
    "iri": _uri,
    "uri-reference": _uri_reference,
    "iri-reference": _uri_reference,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "regex": _regex,
    "json-pointer": lambda text: _POINTER.fullmatch(text) is not None,
}
