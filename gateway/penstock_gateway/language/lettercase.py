"""Upper, lower and title case as Go maps them: one character to one character (`ß` stays `ß`)."""

from __future__ import annotations

import unicodedata


def upper(text: str) -> str:
    """Map every character to its simple upper case."""
    if text.isascii():
        return text.upper()
    mapped = text.upper()
    if len(mapped) == len(text):
        return mapped
    return "".join([big if len(big := char.upper()) == 1 else char for char in text])


def lower(text: str) -> str:
    """Map every character to its simple lower case; a sigma has no final form."""
    if text.isascii():
        return text.lower()
    if "Σ" in text or "İ" in text:
        return "".join([char.lower()[:1] for char in text])
    return text.lower()


_MIDDLE = frozenset(":.'·…’‘․﹒＇．：﹕״")


def _breaks(char: str) -> bool:
    """Tell whether a caseless character ends a word; digits, marks and the underscore do not."""
    return not (char.isalnum() or char == "_" or unicodedata.category(char) in ("Mn", "Mc", "Me", "Cf", "Pc"))


def _cased(char: str) -> bool:
    return char.isupper() or char.islower() or char.istitle()


def title(text: str) -> str:
    """Map the first letter of every word to title case and the others to lower case (English rules)."""
    out: list[str] = []
    in_word = after_middle = False
    for char in text:
        middle = char in _MIDDLE
        if after_middle and middle:
            in_word = False
        if _cased(char):
            if in_word:
                out.append(lower(char))
            else:
                big = char.title()
                out.append(big)
                in_word = True
        else:
            out.append(char)
            if not middle and _breaks(char):
                in_word = False
        after_middle = middle
    return "".join(out)
