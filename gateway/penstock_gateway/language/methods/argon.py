"""The method compare_argon2. Only registered where the package cryptography is installed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import (
    InvalidKey,
    UnsupportedAlgorithm,
)
from cryptography.hazmat.primitives.kdf.argon2 import (
    Argon2i,
    Argon2id,
)

from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.values import bytes_of

_KINDS: dict[str, Any] = {"argon2i": Argon2i, "argon2id": Argon2id}
_COSTS = re.compile(r"m=([0-9]{1,10}),t=([0-9]{1,10}),p=([0-9]{1,3})(.?)", re.ASCII | re.DOTALL)
_MAX_MEMORY = 256 * 1024  # KiB
_MAX_WORK = 1024 * 1024  # KiB written: about a second


def _invalid(why: str = "") -> EvaluationError:
    return EvaluationError("invalid argon2 hash" + why)


def _raw(part: str, what: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(f": failed to parse base64 {what}") from None


def _verifier(text: str) -> tuple[Any, bytes]:
    parts = text.split("$")
    if len(parts) != 6:
        raise _invalid()
    _, name, version, costs, salt, key = parts
    kind = _KINDS.get(name)
    if kind is None:
        raise _invalid(": unrecognised argon2 format")
    if not re.match(r"v=[^\s]", version):
        raise _invalid(": failed to parse version")
    found = _COSTS.match(costs)
    if found is None:
        raise _invalid(": failed to parse parameters")
    if found[4]:
        raise _invalid(": excess characters in parameters segment")
    memory, iterations, lanes = int(found[1]), int(found[2]), int(found[3])
    if memory > _MAX_MEMORY or memory * iterations > _MAX_WORK:
        raise _invalid(": it costs more than one message may")
    wanted = _raw(key, "key")
    try:
        return kind(
            salt=_raw(salt, "salt"), length=len(wanted), iterations=iterations, lanes=lanes, memory_cost=memory
        ), wanted
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _invalid(f": {error}") from None


@method("compare_argon2", Param("hashed_secret", "string"), receives="string", prepare=True)
def compare_argon2(hashed: str) -> Callable[[str], bool]:
    """Tell whether a text is the secret of a hash; the empty text never is."""

    def run(target: str) -> bool:
        if not target:
            return False
        verifier, wanted = _verifier(hashed)
        try:
            verifier.verify(bytes_of(target), wanted)
        except InvalidKey:
            return False
        return True

    return run
