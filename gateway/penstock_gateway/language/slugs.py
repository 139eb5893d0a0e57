"""Slugs: text as lower-case ASCII words joined by dashes, with `&` and `@` as words of a language."""

from __future__ import annotations

import re
import unicodedata

_QUOTES = {**dict.fromkeys(map(ord, "\"'’"), ""), **dict.fromkeys(map(ord, "‒–—―"), "-")}
_WORDS = {
    # language: (&, @)
    "bg": ("i", "at"),
    "cs": ("a", "zavinac"),
    "de": ("und", "an"),
    "en": ("and", "at"),
    "es": ("y", "en"),
    "fi": ("ja", "at"),
    "fr": ("et", "arobase"),
    "gr": ("kai", "eis"),
    "hu": ("es", "kukac"),
    "id": ("dan", "di"),
    "it": ("e", "chiocciola"),
    "kz": ("jane", ""),
    "nb": ("og", "at"),
    "nl": ("en", "at"),
    "nn": ("og", "at"),
    "pl": ("i", "na"),
    "pt": ("e", "a"),
    "ro": ("si", "la"),
    "sl": ("in", "afna"),
    "sv": ("och", "snabel a"),
    "tr": ("ve", "et"),
}
_ALIASES = {"deu": "de", "eng": "en", "spa": "es", "fra": "fr", "ell": "gr", "el": "gr", "ita": "it", "nld": "nl"}
_GERMAN = {ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("Ä"): "Ae", ord("Ö"): "Oe", ord("Ü"): "Ue"}
_LATIN = {
    **dict.fromkeys("ßẞ", "ss"),
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "ł": "l",
    "Ł": "L",
    "þ": "th",
    "Þ": "Th",
    "ħ": "h",
    "ı": "i",
    "ŋ": "ng",
    "ŧ": "t",
    "€": "EUR",
    "£": "PS",
    "¥": "Y=",
    "©": "(c)",
    "®": "(r)",
}
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "io", "ж": "zh", "з": "z", "и": "i", "й": "i", "к": "k",
    "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
    "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "iu", "я": "ia", "і": "i", "ї": "i",
    "є": "ie", "ґ": "g",
}  # fmt: skip
_GREEK = {
    "α": "a", "β": "b", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "e", "θ": "th", "ι": "i", "κ": "k", "λ": "l", "μ": "m",
    "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "u", "φ": "ph", "χ": "kh",
    "ψ": "ps", "ω": "o",
}  # fmt: skip
_OTHER = re.compile(r"[^a-zA-Z0-9\-_]+")
_DASHES = re.compile(r"-+")


def slug(text: str, language: str) -> str:
    """Make a slug; an unknown language counts as English."""
    code = language.lower()
    code = _ALIASES.get(code, code)
    ampersand, at = _WORDS.get(code, _WORDS["en"])
    table: dict[int, str] = {**_QUOTES, ord("&"): ampersand, ord("@"): at}
    if code == "de":
        table |= _GERMAN
    ascii_text = "".join(_transliterated(char) for char in text.strip().translate(table)).lower()
    return _DASHES.sub("-", _OTHER.sub("-", ascii_text)).strip("-_")


def _transliterated(char: str) -> str:
    if char.isascii():
        return char
    found = _LATIN.get(char)
    if found is not None:
        return found
    lowered = char.lower()
    found = _CYRILLIC.get(lowered, _GREEK.get(lowered))
    if found is not None:
        return found
    if unicodedata.category(char) == "Zs":
        return " "
    decomposed = unicodedata.normalize("NFKD", char)
    if decomposed == char:
        return ""
    return "".join(
        part if part.isascii() else _GREEK.get(part.lower(), _CYRILLIC.get(part.lower(), "")) for part in decomposed
    )
