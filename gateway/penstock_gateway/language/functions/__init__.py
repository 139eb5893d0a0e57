"""The functions of the mapping language that need no message; importing this package registers them all."""

from penstock_gateway.language.functions import caches, fake, general, ids

__all__ = ["caches", "fake", "general", "ids"]
