"""Methods on JSON web tokens signed with a private key: sign_jwt_rs*, sign_jwt_es*, parse_jwt_rs*, parse_jwt_es*.

Only registered where the package cryptography is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import (
    InvalidSignature,
    UnsupportedAlgorithm,
)
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    padding,
    rsa,
    utils,
)

from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.methods.tokens import Signer, Verifier, register
from penstock_gateway.language.values import bytes_of

_SIZES = {"256": (hashes.SHA256, 256), "384": (hashes.SHA384, 384), "512": (hashes.SHA512, 521)}
_NO_PEM = "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key"


def _public(raw: bytes) -> Any:
    if b"BEGIN CERTIFICATE" in raw:
        return x509.load_pem_x509_certificate(raw).public_key()
    return serialization.load_pem_public_key(raw)


def _private(raw: bytes) -> Any:
    return serialization.load_pem_private_key(raw, password=None)


@lru_cache(maxsize=64)
def _key(text: str, load: Callable[[bytes], Any], kind: type, name: str) -> Any:
    raw = bytes_of(text)
    if b"-----BEGIN" not in raw:
        raise EvaluationError(_NO_PEM)
    try:
        key = load(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, kind):
        raise EvaluationError(f"key is not a valid {name} key")
    return key


def _rsa_signer(digest: Any) -> Callable[[str], Signer]:
    def signer(secret: str) -> Signer:
        key = _key(secret, _private, rsa.RSAPrivateKey, "RSA private")

        def sign(signed: bytes) -> bytes:
            try:
                return bytes(key.sign(signed, padding.PKCS1v15(), digest))
            except ValueError:
                raise EvaluationError(
                    "failed to sign token: crypto/rsa: message too long for RSA key size",
                ) from None

        return sign

    return signer


def _rsa_verifier(digest: Any) -> Callable[[str], Verifier]:
    def verifier(secret: str) -> Verifier:
        key = _key(secret, _public, rsa.RSAPublicKey, "RSA public")

        def verify(signed: bytes, signature: bytes) -> str | None:
            try:
                key.verify(signature, signed, padding.PKCS1v15(), digest)
            except InvalidSignature:
                return "crypto/rsa: verification error"
            return None

        return verify

    return verifier


def _ecdsa_signer(digest: Any, bits: int) -> Callable[[str], Signer]:
    width = (bits + 7) // 8

    def signer(secret: str) -> Signer:
        key = _key(secret, _private, ec.EllipticCurvePrivateKey, "ECDSA private")

        def sign(signed: bytes) -> bytes:
            if key.curve.key_size != bits:
                raise EvaluationError("failed to sign token: key is invalid")
            first, second = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(digest)))
            return int(first).to_bytes(width, "big") + int(second).to_bytes(width, "big")

        return sign

    return signer


def _ecdsa_verifier(digest: Any, bits: int) -> Callable[[str], Verifier]:
    width = (bits + 7) // 8

    def verifier(secret: str) -> Verifier:
        key = _key(secret, _public, ec.EllipticCurvePublicKey, "ECDSA public")

        def verify(signed: bytes, signature: bytes) -> str | None:
            if len(signature) != 2 * width:
                return "crypto/ecdsa: verification error"
            first, second = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
            try:
                key.verify(utils.encode_dss_signature(first, second), signed, ec.ECDSA(digest))
            except InvalidSignature:
                return "crypto/ecdsa: verification error"
            return None

        return verify

    return verifier


for _size, (_digest, _bits) in _SIZES.items():
    register(f"RS{_size}", _rsa_signer(_digest()), _rsa_verifier(_digest()))
    register(f"ES{_size}", _ecdsa_signer(_digest(), _bits), _ecdsa_verifier(_digest(), _bits))
