"""How outputs that write bytes put one message after another: Bento's codecs lines, all-bytes, append and delim:x; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator


@dataclass(frozen=True, slots=True)
class Codec:
    """What follows a message that does not end with it already, and whether what a file held stays."""

    suffix: bytes
    append: bool

    def frame(self, raw: bytes) -> bytes:
        """The bytes of one message as they are written."""
        return raw if not self.suffix or raw.endswith(self.suffix) else raw + self.suffix


def parse_codec(text: str) -> Codec:
    """The codec of that name; raises ValueError in Bento's words."""
    if text == "all-bytes":
        return Codec(b"", append=False)
    if text in ("append", "lines"):
        return Codec(b"\n" if text == "lines" else b"", append=True)
    if text.startswith("delim:"):
        if text == "delim:":
            raise ValueError("custom delimiter codec requires a non-empty delimiter")
        return Codec(text.removeprefix("delim:").encode("utf-8", "surrogateescape"), append=True)
    raise ValueError(f"codec was not recognised: {text}")


def _checked(text: str) -> str:
    parse_codec(text)
    return text


CodecName = Annotated[str, AfterValidator(_checked)]
"""A field that holds the name of a codec."""
