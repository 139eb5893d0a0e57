"""Prints the tables and lines of `penstock dev`."""

from __future__ import annotations

from penstock_operator import console
from penstock_operator.local.cluster import Applied
from penstock_operator.local.report import Report, curl_lines

_SHOWN = {"sse": "SSE", "stream": "stream", "ws": "WebSocket", "get": "GET", "post": "POST", "ws_in": "WebSocket in"}


def everything(shown: Report, applied: Applied, admin_port: int) -> None:
    """What somebody needs for the first request."""
    states(shown)
    rows = [
        (f"{key['namespace']}/{key['name']}", ", ".join(key["policies"]), key["key"] or "(not generated here)")
        for key in shown.keys
    ]
    if rows:
        console.table("", ["KEY", "POLICIES", "CREDENTIAL"], rows)
    lines = list(curl_lines(shown, applied.world))
    if lines:
        print("Try:")
        for line in lines:
            print(f"  {line}")
        print()
    console.say(f"health, metrics and status: http://127.0.0.1:{admin_port}/metrics; Ctrl-C ends")


def states(shown: Report) -> None:
    """The APIs, where they are, and whether they work."""
    rows = []
    for api in shown.apis:
        ends = [
            f"{_SHOWN.get(kind, kind)} {path}" for stream in api["streams"].values() for kind, path in stream.items()
        ]
        ready = "yes" if api["ready"] else "no"
        rows.append((f"{api['namespace']}/{api['name']}", ready, api["url"], ", ".join(ends) or "(background)"))
    console.table("", ["API", "READY", "URL", "STREAMS"], rows)
