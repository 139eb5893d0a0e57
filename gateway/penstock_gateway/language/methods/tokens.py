"""Methods on JSON web tokens: sign_jwt_hs* and parse_jwt_hs*, and what those with key pairs (keypairs.py) share."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Callable

from penstock_gateway.document import DocumentError, Value
from penstock_gateway.language import jsontext
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.sizes import bounded
from penstock_gateway.language.values import bytes_of

Signer = Callable[[bytes], bytes]  # what is signed -> signature
Verifier = Callable[[bytes, bytes], str | None]  # what is signed, signature -> why it is refused

_SECRET = Param("signing_secret", "string")
_ALGORITHMS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_KNOWN = frozenset(
    (*_ALGORITHMS, "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA", "none"),
)
_TIMES = (
    # claim, whether the moment must lie behind it, text
    ("exp", False, "token is expired"),
    ("iat", True, "token used before issued"),
    ("nbf", True, "token is not valid yet"),
)


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _signing(algorithm: str, signer: Callable[[str], Signer]) -> Callable[[str], Callable[[dict[str, Value]], str]]:
    header = _encoded(b'{"alg":"' + algorithm.encode() + b'","typ":"JWT"}')

    def prepare(secret: str) -> Callable[[dict[str, Value]], str]:
        sign = signer(secret)

        def run(target: dict[str, Value]) -> str:
            signed = header + b"." + _encoded(jsontext.write(bounded(target), None, escape_html=True))
            return (signed + b"." + _encoded(sign(signed))).decode()

        return run

    return prepare


class _RefusedToken(Exception):
    """A token that is not accepted; the text says why."""


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _RefusedToken(
            "token is malformed: could not base64 decode header: illegal base64 data at input byte 0",
        ) from None


def _document(raw: bytes, what: str) -> dict[str, Value]:
    try:
        value = jsontext.parse(raw, use_number=False)
    except DocumentError as error:
        raise _RefusedToken(f"token is malformed: could not JSON decode {what}: {error.text}") from None
    if type(value) is not dict:
        raise _RefusedToken(f"token is malformed: could not JSON decode {what}")
    return value


def _claims(token: str, verify: Verifier, algorithm: str, now: float) -> dict[str, Value]:
    parts = token.split(".")
    if len(parts) != 3:
        raise _RefusedToken("token is malformed: token contains an invalid number of segments")
    header = _document(_decoded(parts[0]), "header")
    claims = _document(_decoded(parts[1]), "claim")
    found = header.get("alg")
    if found not in _KNOWN:
        raise _RefusedToken("token is unverifiable: signing method (alg) is unavailable")
    if found != algorithm:
        raise _RefusedToken(
            f"token is unverifiable: error while executing keyfunc: incorrect signing method: {found}",
        )
    problem = verify(f"{parts[0]}.{parts[1]}".encode("utf-8", "surrogateescape"), _decoded(parts[2]))
    if problem is not None:
        raise _RefusedToken(f"token signature is invalid: {problem}")
    _check_times(claims, now)
    return claims


def _check_times(claims: dict[str, Value], now: float) -> None:
    """An expired token and one that is not valid yet are refused; `iat` does not matter."""
    problems = []
    for claim, behind, text in _TIMES:
        moment = claims.get(claim)
        if moment is None:
            continue
        if type(moment) is not float or not math.isfinite(moment):
            raise _RefusedToken(f"token has invalid claims: invalid type for claim: {claim} is invalid")
        if claim != "iat" and (now < moment if behind else now >= moment):
            problems.append(text)
    if problems:
        raise _RefusedToken("token has invalid claims: " + ", ".join(problems))


def _parsing(
    algorithm: str,
    verifier: Callable[[str], Verifier],
) -> Callable[[str], Callable[[Execution, str], dict[str, Value]]]:
    def prepare(secret: str) -> Callable[[Execution, str], dict[str, Value]]:
        verify = verifier(secret)

        def run(ctx: Execution, target: str) -> dict[str, Value]:
            try:
                return _claims(target, verify, algorithm, ctx.environment.clock() / 1e9)
            except _RefusedToken as error:
                raise EvaluationError(f"failed to parse JWT string: {error}") from None

        return run

    return prepare


def register(algorithm: str, signer: Callable[[str], Signer], verifier: Callable[[str], Verifier]) -> None:
    """Add the two methods of an algorithm; both functions read the secret and fail when it is none."""
    method(f"sign_jwt_{algorithm.lower()}", _SECRET, receives="object", prepare=True, annotate=False)(
        _signing(algorithm, signer),
    )
    method(f"parse_jwt_{algorithm.lower()}", _SECRET, receives="string", prepare=True, context=True, annotate=False)(
        _parsing(algorithm, verifier),
    )


def _signature(digest: str) -> Callable[[str], Signer]:
    def signer(secret: str) -> Signer:
        key = bytes_of(secret)
        return lambda signed: hmac.digest(key, signed, digest)

    return signer


def _comparison(digest: str) -> Callable[[str], Verifier]:
    def verifier(secret: str) -> Verifier:
        sign = _signature(digest)(secret)

        def verify(signed: bytes, signature: bytes) -> str | None:
            return None if hmac.compare_digest(sign(signed), signature) else "signature is invalid"

        return verify

    return verifier


for _algorithm, _digest in _ALGORITHMS.items():
    register(_algorithm, _signature(_digest), _comparison(_digest))
