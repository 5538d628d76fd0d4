"""LiteLLM's functions: the methods of two clients that go where the environment says."""

import atexit

from warren.client.asynchronous import AsyncClient
from warren.client.sync import Client

_client = Client()
_async_client = AsyncClient()
atexit.register(_client.close)

responses = _client.responses
get_responses = _client.get_responses
delete_responses = _client.delete_responses
cancel_responses = _client.cancel_responses
list_input_items = _client.list_input_items
compact_responses = _client.compact_responses

aresponses = _async_client.responses
aget_responses = _async_client.get_responses
adelete_responses = _async_client.delete_responses
acancel_responses = _async_client.cancel_responses
alist_input_items = _async_client.list_input_items
acompact_responses = _async_client.compact_responses
