"""Log lines: JSON, one object a line, on standard error; coloured text when that is a terminal."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from typing import Any

_COLOURS = {"WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[31m", "DEBUG": "\033[2m"}
_PLAIN = "\033[0m"


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, the fields of the line, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "time": _instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """Time of day, level and text, for a person."""

    def format(self, record: logging.LogRecord) -> str:
        """One coloured line, and a traceback where there is one."""
        colour = _COLOURS.get(record.levelname, "")
        moment = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        fields = "".join(f" {key}={value}" for key, value in getattr(record, "fields", {}).items())
        text = f"{moment} {colour}{record.levelname.lower():8}{_PLAIN if colour else ''}{record.getMessage()}{fields}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(level: str = "INFO") -> None:
    """Send the gateway's log lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ConsoleFormatter() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=_level(level), handlers=[handler], force=True)
    for noisy in ("aiokafka", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _level(name: str) -> int:
    names = {"TRACE": 5, "WARN": 30, "FATAL": 50, "OFF": 100, "NONE": 100, "ALL": 5}
    return names.get(name.upper()) or logging.getLevelNamesMapping().get(name.upper(), logging.INFO)


def _instant(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
