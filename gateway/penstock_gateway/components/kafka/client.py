"""aiokafka's clients, started and stopped with deadlines, and their failures in words that say what to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import KafkaError

from penstock_gateway.errors import NotConnected

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds a broker has to answer when a client starts."""
STOP_TIMEOUT = 5.0
"""Seconds a client has to leave politely."""

_log = logging.getLogger("penstock.kafka")
_warned: list[str] = []


def prepare() -> None:
    """Before the first client: quieten aiokafka, which repeats itself many times a second while a broker is away (what matters is
    said by our own errors), and say once when it runs in pure Python, at some twenty times the processor time."""
    aiokafka_log = logging.getLogger("aiokafka")
    if not aiokafka_log.isEnabledFor(logging.DEBUG):
        aiokafka_log.setLevel(logging.CRITICAL)
    try:
        from aiokafka.record import _crecords  # noqa: F401  # its presence is the question
        from aiokafka.record.default_records import DefaultRecordBatch

        compiled = "_crecords" in DefaultRecordBatch.__module__
    except ImportError:
        compiled = False
    if not compiled and not _warned:
        _warned.append("extension")
        _log.warning("aiokafka runs without its compiled extension: reading and writing Kafka costs many times as much")


def reason_of(error: BaseException) -> str:
    """The reason as a short text: aiokafka's own names carry the meaning (`[Error 58] SaslAuthenticationFailed`)."""
    text = str(error).strip()
    name = type(error).__name__
    return name if not text else text if name in text else f"{name}: {text}"


async def starting(
    client: AIOKafkaConsumer | AIOKafkaProducer,
    start: Callable[[], Awaitable[T]],
    arguments: dict[str, Any],
    patience: float = CONNECT_TIMEOUT,
) -> T:
    """Run `start`; on failure stop the client and raise NotConnected with each broker's reason."""
    try:
        async with asyncio.timeout(patience):
            return await start()
    except TimeoutError:
        known = brokers_of(client)
        await stop(client)
        advertised = f", which says it is reached at {', '.join(known)}" if known else ""
        hosts = ", ".join(arguments["bootstrap_servers"])
        raise NotConnected(f"no answer from {hosts}{advertised} within {patience:g} s") from None
    except (KafkaError, OSError, ValueError) as error:
        await stop(client)
        raise NotConnected(await _explain(error, arguments)) from None
    except (NotConnected, asyncio.CancelledError):
        await stop(client)
        raise


async def _explain(error: Exception, arguments: dict[str, Any]) -> str:
    """aiokafka says only that no broker would do: ask each of them once more for its own reason."""
    if "bootstrap" not in str(error):
        return f"{', '.join(arguments['bootstrap_servers'])}: {reason_of(error)}"
    reasons = []
    for host, port, _family in collect_hosts(arguments["bootstrap_servers"], randomize=False)[:3]:
        reasons.append(f"{host}:{port}: {await _probe(host, port, arguments)}")
    return "; ".join(reasons)


async def _probe(host: str, port: int, arguments: dict[str, Any]) -> str:
    given = {
        name: value for name, value in arguments.items() if name.startswith(("sasl_", "security_", "ssl_", "client_id"))
    }
    connection = AIOKafkaConnection(host, port, request_timeout_ms=int(CONNECT_TIMEOUT * 1000), **given)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.connect()
    except TimeoutError:
        return f"no answer; is it a Kafka broker, and does it speak {given['security_protocol']}?"
    except (KafkaError, OSError) as error:
        return reason_of(error)
    finally:
        closing = connection.close()
        if closing is not None and connection._protocol is not None:  # else there never was a socket to close
            await asyncio.wait({closing}, timeout=1)
    return "refused at first, then reachable"


def brokers_of(client: AIOKafkaConsumer | AIOKafkaProducer) -> list[str]:
    """The addresses that the cluster gives for its brokers."""
    inner = client.client if isinstance(client, AIOKafkaProducer) else client._client
    return [f"{broker.host}:{broker.port}" for broker in inner.cluster.brokers()]


async def stop(client: AIOKafkaConsumer | AIOKafkaProducer, patience: float = STOP_TIMEOUT) -> None:
    """Stop a client, politely while the time lasts. A client whose broker is gone would wait for ever."""
    try:
        async with asyncio.timeout(patience):
            await client.stop()  # type: ignore[no-untyped-call]  # of a union, which mypy's exclusion does not cover
    except (TimeoutError, KafkaError, OSError, AttributeError, AssertionError) as error:
        # AttributeError, AssertionError: aiokafka stops a client that never started half-way
        _log.debug("a Kafka client was cut off: %s", reason_of(error))
        await _cut_off(client)


async def _cut_off(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    inner = client.client if isinstance(client, AIOKafkaProducer) else client._client
    parts: list[Awaitable[Any]] = [inner.close()]
    if isinstance(client, AIOKafkaProducer):
        client._message_accumulator.fail_all(KafkaError("the producer was given up"))
        parts.insert(0, client._sender.close())
    else:
        parts = [part.close() for part in (client._coordinator, client._fetcher) if part is not None] + parts
    for part in parts:
        task = asyncio.ensure_future(part)
        done, _ = await asyncio.wait({task}, timeout=STOP_TIMEOUT)
        if not done:
            task.cancel()
        elif not task.cancelled():
            task.exception()  # whatever it says, the client is gone


def keep_as_parsed(consumer: AIOKafkaConsumer) -> None:
    """Let prefetched records stay as the parser made them. aiokafka wraps each one in an object of its own while handing it over, which
    costs as much as parsing it; both forms have the fields that are read here, so what comes later in the old form is welcome too."""
    fetcher = consumer._fetcher
    for result in fetcher._records.values() if fetcher is not None else ():
        records = getattr(result, "_partition_records", None)
        if records is not None:
            records._consumer_record = _as_parsed


def _as_parsed(tp: Any, record: Any) -> Any:
    return record
