"""Methods that encode, hash and compress bytes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from penstock_gateway.document import Value
from penstock_gateway.language.binarytext import DECODERS, ENCODERS, EncodingError
from penstock_gateway.language.compression import COMPRESSORS, DECOMPRESSORS, CompressionError
from penstock_gateway.language.digests import crc32, fnv32, xxhash64
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.goquote import quote
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.sizes import fitting
from penstock_gateway.language.values import bytes_of


def _raw(target: Value) -> bytes:
    if type(target) is str:
        return bytes_of(target)
    if type(target) is bytes:
        return target
    raise WrongType(target, "string")


@method("encode", Param("scheme", "string"), prepare=True)
def encode(scheme: str) -> Callable[[Value], str]:
    """Write bytes as text: base64, base64url, base64rawurl, hex, ascii85, z85."""
    encoder = ENCODERS.get(scheme)
    if encoder is None:
        raise EvaluationError(f"unrecognized encoding type: {scheme}")
    write = encoder

    def run(target: Value) -> str:
        try:
            return fitting(write(_raw(target)))
        except EncodingError as error:
            raise EvaluationError(str(error)) from None

    return run


@method("decode", Param("scheme", "string"), prepare=True)
def decode(scheme: str) -> Callable[[Value], bytes]:
    """Read bytes from text."""
    decoder = DECODERS.get(scheme)
    if decoder is None:
        raise EvaluationError(f"unrecognized encoding type: {scheme}")
    read = decoder

    def run(target: Value) -> bytes:
        try:
            return read(_raw(target))
        except EncodingError as error:
            raise EvaluationError(str(error)) from None

    return run


_PLAIN: dict[str, Callable[[bytes], bytes]] = {
    "md5": lambda raw: hashlib.md5(raw, usedforsecurity=False).digest(),
    "sha1": lambda raw: hashlib.sha1(raw, usedforsecurity=False).digest(),
    "sha256": lambda raw: hashlib.sha256(raw).digest(),
    "sha512": lambda raw: hashlib.sha512(raw).digest(),
    "xxhash64": lambda raw: str(xxhash64(raw)).encode(),
    "fnv32": lambda raw: str(fnv32(raw)).encode(),
}


def _hasher(algorithm: str, key: str | None, polynomial: str) -> Callable[[bytes], bytes]:
    name = algorithm.replace("-", "_")
    if name in ("hmac_sha1", "hmac_sha256", "hmac_sha512"):
        if not key:
            raise EvaluationError(f"hash algorithm {algorithm} requires a key argument")
        secret, digest = bytes_of(key), name[5:]
        return lambda raw: hmac.digest(secret, raw, digest)
    if algorithm == "crc32":
        return lambda raw: _crc32(raw, polynomial)
    plain = _PLAIN.get(algorithm)
    if plain is None:
        raise EvaluationError(f"unrecognized hash type: {algorithm}")
    return plain


def _crc32(raw: bytes, polynomial: str) -> bytes:
    checksum = crc32(raw, polynomial)
    if checksum is None:
        raise EvaluationError(f"unsupported crc32 hash key {quote(polynomial)}")
    return checksum.to_bytes(4)


@method(
    "hash",
    Param("algorithm", "string"),
    Param("key", "string", optional=True),
    Param("polynomial", "string", default="IEEE"),
    prepare=True,
)
def hash_(algorithm: str, key: str | None, polynomial: str) -> Callable[[Value], bytes]:
    """Hash bytes; the hmac_* algorithms need a key."""
    digest = _hasher(algorithm, key, polynomial)
    return lambda target: digest(_raw(target))


@method(
    "compress",
    Param("algorithm", "string"),
    Param("level", "integer", default=-1),
    receives="bytes",
    prepare=True,
    annotate=False,
)
def compress(algorithm: str, level: int) -> Callable[[bytes], bytes]:
    """Compress bytes: gzip, pgzip, zlib, flate, snappy, lz4, zstd."""
    compressor = COMPRESSORS.get(algorithm)
    if compressor is None:
        raise EvaluationError(f"compression type not recognised: {algorithm}")
    run = compressor

    def compressed(target: bytes) -> bytes:
        try:
            return run(target, level)
        except CompressionError as error:
            raise EvaluationError(str(error)) from None

    return compressed


@method("decompress", Param("algorithm", "string"), receives="bytes", prepare=True, annotate=False)
def decompress(algorithm: str) -> Callable[[bytes], bytes]:
    """Decompress bytes: the algorithms of compress, and bzip2."""
    decompressor = DECOMPRESSORS.get(algorithm)
    if decompressor is None:
        raise EvaluationError(f"decompression type not recognised: {algorithm}")
    run = decompressor

    def decompressed(target: bytes) -> bytes:
        try:
            return run(target)
        except CompressionError as error:
            raise EvaluationError(str(error)) from None

    return decompressed
