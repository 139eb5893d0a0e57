"""The method compare_bcrypt. Only registered where the package bcrypt is installed."""

from __future__ import annotations

import re
from collections.abc import Callable

import bcrypt

from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.values import bytes_of

_SHORTEST = 59
_KEY_BYTES = 72  # what bcrypt looks at
_MIN_COST, _MAX_COST = 4, 31
_TOO_SLOW = 15  # two seconds and more


def _checked(hashed: str) -> bytes:
    if len(hashed) < _SHORTEST:
        raise EvaluationError("crypto/bcrypt: hashedSecret too short to be a bcrypted password")
    if hashed[0] != "$":
        raise EvaluationError(
            f"crypto/bcrypt: bcrypt hashes must start with '$', but hashedSecret started with '{hashed[0]}'",
        )
    found = re.match(r"\$2[abxy]?\$([0-9]{2})\$[./A-Za-z0-9]{53}", hashed, re.ASCII)
    if found is None:
        raise EvaluationError("crypto/bcrypt: the hash is malformed")
    cost = int(found[1])
    if not _MIN_COST <= cost <= _MAX_COST:
        raise EvaluationError(f"crypto/bcrypt: cost {cost} is outside allowed inclusive range {_MIN_COST}..{_MAX_COST}")
    if cost >= _TOO_SLOW:
        raise EvaluationError("crypto/bcrypt: the hash costs more than one message may")
    return found[0].encode()


@method("compare_bcrypt", Param("hashed_secret", "string"), receives="string", prepare=True)
def compare_bcrypt(hashed: str) -> Callable[[str], bool]:
    """Tell whether a text is the secret of a hash."""

    def run(target: str) -> bool:
        known = _checked(hashed)
        try:
            return bool(bcrypt.checkpw(bytes_of(target)[:_KEY_BYTES], known))
        except ValueError as error:
            raise EvaluationError(f"crypto/bcrypt: {error}") from None

    return run
