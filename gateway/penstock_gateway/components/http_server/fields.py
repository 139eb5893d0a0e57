"""Fields both `http_server` components have, and what is checked about them before anything is built."""

from __future__ import annotations

from typing import Annotated

import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from penstock_gateway.errors import ConfigError
from penstock_gateway.paths import pattern
from penstock_gateway.registry import Cors, HostOnly


def _path(text: str) -> str:
    try:
        if text:
            pattern(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


def _expression(text: str) -> str:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)  # type: ignore[no-untyped-call]  # re2 has no types
    except re2.error as error:
        why = error.args[0] if error.args else ""
        raise ValueError(f"not a regular expression: {why.decode() if isinstance(why, bytes) else why}") from None
    return text


def _no_tls(text: str) -> str:
    if text:
        raise ValueError("not supported: end TLS in front of the gateway")
    return text


PathText = Annotated[str, AfterValidator(_path)]
"""A path that is served; "" = none."""

Expression = Annotated[str, AfterValidator(_expression)]
"""A regular expression."""

TlsFile = Annotated[str, AfterValidator(_no_tls)]
"""A file of Bento's own TLS, which is not there."""

OwnAddress = Annotated[str, HostOnly("leave it out, and the paths are served below the listen path")]
"""A listener of its own, which no access rules would guard."""


class CorsFields(BaseModel):
    """Cross-origin requests of web pages."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(False, description="Whether web pages of other origins may call.")
    allowed_origins: list[str] = Field([], description="Origins that may; `*` = any.")
    allowed_headers: list[str] = Field([], description="Request headers they may send.")
    allowed_methods: list[str] = Field(
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], description="Methods they may use."
    )

    @model_validator(mode="after")
    def _some_origin(self) -> CorsFields:
        if self.enabled and not self.allowed_origins:
            raise ValueError("must specify at least one allowed origin")
        return self

    def cors(self) -> Cors | None:
        """The same for the edge; None when it is off."""
        if not self.enabled:
            return None
        return Cors(tuple(self.allowed_origins), tuple(self.allowed_headers), tuple(self.allowed_methods))
