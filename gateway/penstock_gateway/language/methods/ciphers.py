"""Methods that cipher: encrypt_aes, decrypt_aes. Only registered where the package cryptography is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.modes import OFB
from cryptography.hazmat.primitives.ciphers import (
    Cipher,
    algorithms,
    modes,
)

from penstock_gateway.document import Value
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.values import bytes_of, text_of

_PARAMS = (Param("scheme", "string"), Param("key", "string"), Param("iv", "string"))
_BLOCK = 16
_TAG = 16
_NONCE = 12
_MODES: dict[str, Any] = {"ctr": modes.CTR, "ofb": OFB, "cbc": modes.CBC}


def _aes(key: bytes) -> Any:
    if len(key) not in (16, 24, 32):
        raise EvaluationError(f"crypto/aes: invalid key size {len(key)}")
    return algorithms.AES(key)


def _cipher(scheme: str, key: str, iv: str, verb: str) -> Any:
    algorithm = _aes(bytes_of(key))
    mode = _MODES.get(scheme)
    if mode is None:
        raise EvaluationError(f"unrecognized {verb}ion type: {scheme}")
    vector = bytes_of(iv)
    if len(vector) != _BLOCK:
        raise EvaluationError("the key must match the initialisation vector size")
    return Cipher(algorithm, mode(vector))


def _subject(value: Value) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is str:
        return bytes_of(value)
    raise WrongType(value, "string")


def _sealing(key: str, iv: str) -> tuple[Any, bytes]:
    algorithm, nonce = _aes(bytes_of(key)), bytes_of(iv)
    if len(nonce) != _NONCE:
        raise EvaluationError("crypto/cipher: incorrect nonce length given to GCM")
    return algorithm, nonce


@method("encrypt_aes", *_PARAMS, prepare=True)
def encrypt_aes(scheme: str, key: str, iv: str) -> Callable[[Value], str]:
    """Encrypt a text; the ciphertext is a text too, usually no valid UTF-8."""
    if scheme == "gcm":
        algorithm, nonce = _sealing(key, iv)

        def seal(target: Value) -> str:
            encryptor = Cipher(algorithm, modes.GCM(nonce)).encryptor()
            return text_of(encryptor.update(_subject(target)) + encryptor.finalize() + encryptor.tag)

        return seal
    cipher = _cipher(scheme, key, iv, "encrypt")

    def run(target: Value) -> str:
        plain = _subject(target)
        if scheme == "cbc" and len(plain) % _BLOCK:
            raise EvaluationError("plaintext is not a multiple of the block size")
        encryptor = cipher.encryptor()
        return text_of(encryptor.update(plain) + encryptor.finalize())

    return run


@method("decrypt_aes", *_PARAMS, prepare=True)
def decrypt_aes(scheme: str, key: str, iv: str) -> Callable[[Value], bytes]:
    """Decrypt a ciphertext to bytes."""
    if scheme == "gcm":
        algorithm, nonce = _sealing(key, iv)

        def unseal(target: Value) -> bytes:
            sealed = _subject(target)
            tag = sealed[-_TAG:].rjust(_TAG, b"\0")
            try:
                decryptor = Cipher(algorithm, modes.GCM(nonce, tag)).decryptor()
                return bytes(decryptor.update(sealed[:-_TAG]) + decryptor.finalize())
            except InvalidTag:
                raise EvaluationError("gcm decrypting failed: cipher: message authentication failed") from None

        return unseal
    cipher = _cipher(scheme, key, iv, "decrypt")

    def run(target: Value) -> bytes:
        ciphered = _subject(target)
        if scheme == "cbc" and len(ciphered) % _BLOCK:
            raise EvaluationError("ciphertext is not a multiple of the block size")
        decryptor = cipher.decryptor()
        return bytes(decryptor.update(ciphered) + decryptor.finalize())

    return run
