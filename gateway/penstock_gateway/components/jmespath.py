"""Processor `jmespath`: asks each document with a JMESPath query."""

from __future__ import annotations

from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import Field

from penstock_gateway.document import decode, encode
from penstock_gateway.errors import ConfigError
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage, plain
from penstock_gateway.registry import Config, Context, Kind, Processor, component

_compile: Any = jmespath.compile  # the package has no types


@component("jmespath", Kind.PROCESSOR, summary="Asks each document with a JMESPath query.")
class JmesPath(Config):
    """Fields as Bento's."""

    query: str = Field(description="The query; its result becomes the document.")

    def build(self, context: Context) -> Processor:
        """Compile the query."""
        try:
            query = _compile(self.query)
        except JMESPathError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"failed to compile JMESPath query: {reason}", context.path) from None
        return PerMessage(lambda batch, n: _searched(query, batch, n), context)


def _searched(query: Any, batch: Batch, n: int) -> Batch:
    try:
        found = query.search(plain(batch[n].document))
    except (JMESPathError, ValueError, TypeError, RecursionError) as error:
        raise MessageFault(str(error)) from None
    result = batch[n].copy()
    result.set_document(decode(encode(found)))
    return [result]
