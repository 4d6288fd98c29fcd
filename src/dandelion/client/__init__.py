"""A typed client of the HTTP API, synchronous and asynchronous."""

from dandelion.client.asynchronous import AsyncClient
from dandelion.client.exchange import is_sendable
from dandelion.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "is_sendable"]
