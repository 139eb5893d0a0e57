"""Fields both `http_server` components have."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway.errors import ConfigError, NotSupported
from penstock_gateway.paths import pattern
from penstock_gateway.registry import Context, Cors


class CorsFields(BaseModel):
    """Cross-origin requests of web pages."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(False, description="Whether web pages of other origins may call.")
    allowed_origins: list[str] = Field([], description="Origins that may; `*` = any.")
    allowed_headers: list[str] = Field([], description="Request headers they may send.")
    allowed_methods: list[str] = Field(
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], description="Methods they may use."
    )

    def cors(self, context: Context, component: str) -> Cors | None:
        """The same for the edge; None when it is off."""
        if not self.enabled:
            return None
        if not self.allowed_origins:
            place = (*context.path, component, "cors", "allowed_origins")
            raise ConfigError("must specify at least one allowed origin", place)
        return Cors(tuple(self.allowed_origins), tuple(self.allowed_headers), tuple(self.allowed_methods))


def check_paths(context: Context, paths: dict[str, str]) -> None:
    """Field → path: raises ConfigError at the field whose path cannot be one; an empty path is not served."""
    for name, path in paths.items():
        if not path:
            continue
        try:
            pattern(path)
        except ConfigError as error:
            raise ConfigError(str(error), (*context.path, "http_server", name)) from None


def check_absent(context: Context, fields: dict[str, str], advice: str) -> None:
    """Raises NotSupported for a field that nothing acts on."""
    for name, value in fields.items():
        if value:
            raise NotSupported(f"{name} is not supported: {advice}", (*context.path, "http_server", name))
