"""Lets mappings reach cache resources: a mapping cannot wait, so only caches that answer at once can be used in one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock_gateway.errors import PenstockError
from penstock_gateway.language import EvaluationError
from penstock_gateway.registry import Cache
from penstock_gateway.units import parse_duration

T = TypeVar("T")


class MappingCaches:
    """What `cache_get` and its like call; `find` gives a cache by its label or raises ConfigError."""

    def __init__(self, find: Callable[[str], Cache]) -> None:
        self._find = find

    def get(self, resource: str, key: str) -> bytes:
        """The value of a key; raises EvaluationError when there is none."""
        value = _at_once(resource, self._cache(resource).get(key))
        if value is None:
            raise EvaluationError("key does not exist")
        return value

    def set(self, resource: str, key: str, value: str, ttl: str) -> None:
        """Write."""
        _at_once(resource, self._cache(resource).set(key, value.encode(), _seconds(ttl)))

    def add(self, resource: str, key: str, value: str, ttl: str) -> None:
        """Write a key that must not be there."""
        if not _at_once(resource, self._cache(resource).add(key, value.encode(), _seconds(ttl))):
            raise EvaluationError("key already exists")

    def delete(self, resource: str, key: str) -> None:
        """Forget."""
        _at_once(resource, self._cache(resource).delete(key))

    def _cache(self, resource: str) -> Cache:
        try:
            return self._find(resource)
        except PenstockError as error:
            raise EvaluationError(str(error)) from error


def _seconds(ttl: str) -> float | None:
    if not ttl:
        return None
    try:
        return parse_duration(ttl)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _at_once(resource: str, call: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that does not wait for anything."""
    try:
        call.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    except PenstockError as error:
        raise EvaluationError(str(error)) from error
    call.close()
    raise EvaluationError(f"cache resource '{resource}' has to wait for its answers: use the processor cache instead")
