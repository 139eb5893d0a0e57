"""Functions that reach cache resources: cache_get, cache_set, cache_add, cache_delete."""

from __future__ import annotations

from penstock_gateway.language.context import Caches, Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.registry import Param, function

_RESOURCE = Param("resource", "string")
_KEY = Param("key", "string")
_VALUE = Param("value", "string")
_TTL = Param("ttl", "string", default="")


def _caches(ctx: Execution, resource: str) -> Caches:
    caches: Caches | None = ctx.environment.caches
    if caches is None:
        raise EvaluationError(f"cache resource '{resource}' was not found")
    return caches


@function("cache_get", _RESOURCE, _KEY, context=True, impure=True)
def cache_get(ctx: Execution, resource: str, key: str) -> bytes:
    """Read a key of a cache."""
    return _caches(ctx, resource).get(resource, key)


@function("cache_set", _RESOURCE, _KEY, _VALUE, _TTL, context=True, impure=True)
def cache_set(ctx: Execution, resource: str, key: str, value: str, ttl: str) -> None:
    """Write a key of a cache."""
    _caches(ctx, resource).set(resource, key, value, ttl)


@function("cache_add", _RESOURCE, _KEY, _VALUE, _TTL, context=True, impure=True)
def cache_add(ctx: Execution, resource: str, key: str, value: str, ttl: str) -> None:
    """Write a key of a cache that must not be there yet."""
    _caches(ctx, resource).add(resource, key, value, ttl)


@function("cache_delete", _RESOURCE, _KEY, context=True, impure=True)
def cache_delete(ctx: Execution, resource: str, key: str) -> None:
    """Drop a key of a cache."""
    _caches(ctx, resource).delete(resource, key)
