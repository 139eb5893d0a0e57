"""Ciphers, tokens with key pairs, and hashes of secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from penstock_gateway.language import Environment, EvaluationError, ParseError, compile_query

KEY = '"0123456789abcdef"'
NONCE = '"0123456789ab"'


def evaluate(text: str) -> Any:
    return compile_query(text, environment=Environment(clock=lambda: 1_700_000_000_000_000_000)).evaluate([], 0)


def pair(kind: str) -> tuple[str, str]:
    """A private and a public key as literals of the mapping language."""
    curves: dict[str, Any] = {"es256": ec.SECP256R1, "es384": ec.SECP384R1, "es512": ec.SECP521R1}
    key: Any = (
        ec.generate_private_key(curves[kind]()) if kind in curves else rsa.generate_private_key(65537, key_size=2048)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return json.dumps(private.decode()), json.dumps(public.decode())


@pytest.mark.parametrize("algorithm", ["rs256", "rs384", "rs512", "es256", "es384", "es512"])
def test_a_token_is_accepted_only_with_its_own_signature(algorithm: str) -> None:
    private, public = pair(algorithm)
    signed = f'{{"sub": "u"}}.sign_jwt_{algorithm}({private})'
    assert evaluate(f"{signed}.parse_jwt_{algorithm}({public})") == {"sub": "u"}
    package = "rsa" if algorithm.startswith("rs") else "ecdsa"
    for forged in (f'({signed} + "AAAA")', f'({signed}.re_replace("[^.]*$", ""))'):
        with pytest.raises(EvaluationError, match=f"token signature is invalid: crypto/{package}: verification error"):
            evaluate(f"{forged}.parse_jwt_{algorithm}({public})")


def test_a_key_of_another_kind_is_refused() -> None:
    private, public = pair("es384")
    with pytest.raises(EvaluationError, match="failed to sign token: key is invalid"):
        evaluate(f'{{"a": 1}}.sign_jwt_es256({private})')
    with pytest.raises(ParseError, match="key is not a valid RSA public key"):
        evaluate(f'"x".parse_jwt_rs256({public})')
    with pytest.raises(ParseError, match="Key must be a PEM encoded"):
        evaluate('{"a": 1}.sign_jwt_es256("x")')


def test_a_public_key_is_no_shared_secret() -> None:
    """The classical forgery: a token signed with HMAC and the public key as the secret."""
    _, public = pair("rs256")
    with pytest.raises(EvaluationError, match="incorrect signing method: HS256"):
        evaluate(f'{{"a": 1}}.sign_jwt_hs256({public}).parse_jwt_rs256({public})')


@pytest.mark.parametrize(("scheme", "vector"), [("ctr", KEY), ("ofb", KEY), ("cbc", KEY), ("gcm", NONCE)])
def test_what_was_encrypted_is_decrypted(scheme: str, vector: str) -> None:
    arguments = f'"{scheme}", {KEY}, {vector}'
    assert evaluate(f'"sixteen letters!".encrypt_aes({arguments}).decrypt_aes({arguments})') == b"sixteen letters!"


def test_a_known_ciphertext() -> None:
    text = (
        '"hello world!".encrypt_aes("ctr", "2b7e151628aed2a6abf7158809cf4f3c".decode("hex"), '
        '"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff".decode("hex")).encode("hex")'
    )
    assert evaluate(text) == "84e9b31ff7400bdf80be7254"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'"x".decrypt_aes("gcm", {KEY}, {NONCE})', "gcm decrypting failed: cipher: message authentication failed"),
        (f'"x".encrypt_aes("cbc", {KEY}, {KEY})', "plaintext is not a multiple of the block size"),
        (f'"x".decrypt_aes("cbc", {KEY}, {KEY})', "ciphertext is not a multiple of the block size"),
        (f'"x".decrypt_aes("nope", {KEY}, {KEY})', "unrecognized decryption type: nope"),
        (f'"x".encrypt_aes("ctr", "k", {KEY})', "crypto/aes: invalid key size 1"),
        (f'"x".encrypt_aes("ctr", {KEY}, "v")', "the key must match the initialisation vector size"),
        (f'5.encrypt_aes("ctr", {KEY}, {KEY})', "expected string value, got number"),
    ],
)
def test_what_cannot_be_ciphered(text: str, problem: str) -> None:
    with pytest.raises((EvaluationError, ParseError), match=problem):
        evaluate(text)


ARGON = "$argon2id$v=19$m=4096,t=3,p=1$c2FsdHktbWNzYWx0ZmFjZQ$RMUMwgtS32/mbszd+ke4o4Ej1jFpYiUqY6MHWa69X7Y"


def test_argon2_knows_the_secret() -> None:
    assert evaluate(f'"there-are-many-blobs-in-the-sea".compare_argon2("{ARGON}")') is True
    assert evaluate(f'"will-i-ever-find-love".compare_argon2("{ARGON}")') is False
    assert evaluate('"".compare_argon2("x")') is False


@pytest.mark.parametrize(
    ("hashed", "problem"),
    [
        ("x", "invalid argon2 hash"),
        (ARGON.replace("argon2id", "argon2d"), "invalid argon2 hash: unrecognised argon2 format"),
        (ARGON.replace("v=19", "w"), "invalid argon2 hash: failed to parse version"),
        (ARGON.replace("m=4096", "m=x"), "invalid argon2 hash: failed to parse parameters"),
        (ARGON.replace("p=1", "p=1,q=2"), "invalid argon2 hash: excess characters in parameters segment"),
        (ARGON.replace("c2Fsd", "é"), "invalid argon2 hash: failed to parse base64 salt"),
        (ARGON.replace("m=4096", "m=4294967295"), "invalid argon2 hash: it costs more than one message may"),
        (ARGON.replace("p=1", "p=0"), "invalid argon2 hash: "),
        (ARGON[: ARGON.rindex("$") + 1], "invalid argon2 hash: "),
    ],
)
def test_argon2_refuses_what_is_no_hash(hashed: str, problem: str) -> None:
    with pytest.raises(EvaluationError, match=problem):
        evaluate(f'"secret".compare_argon2("{hashed}")')


BCRYPT = "$2y$10$Dtnt5NNzVtMCOZONT705tOcS8It6krJX8bEjnDJnwxiFKsz1C.3Ay"


def test_bcrypt_knows_the_secret() -> None:

    assert evaluate(f'"there-are-many-blobs-in-the-sea".compare_bcrypt("{BCRYPT}")') is True
    assert evaluate(f'("will-i-ever-find-love" + "x".repeat(100)).compare_bcrypt("{BCRYPT}")') is False
    for hashed, problem in (
        ("x", "too short"),
        ("x" * 60, "must start with"),
        (BCRYPT.replace("$10$", "$99$"), "outside allowed inclusive range"),
        (BCRYPT.replace("$10$", "$31$"), "costs more"),
    ):
        with pytest.raises(EvaluationError, match=problem):
            evaluate(f'"secret".compare_bcrypt("{hashed}")')
