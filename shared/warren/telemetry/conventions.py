"""OpenTelemetry's semantic conventions, in one table: our words, and what the conventions call them.

Whoever makes a span speaks of `queue_wait` or `finish_reasons`; only this module knows how that is written today. What
the conventions have no word for is `warren.` and ours. Those for messaging and for GenAI are in development: when they
change, this table does, and nothing else.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

VERSION = "1.44.0"
"""Of the conventions for HTTP, messaging and databases."""
GENAI_VERSION = "0.1.0"
"""Of those for GenAI, which have a repository and versions of their own."""
SCHEMA_URL = f"https://opentelemetry.io/schemas/{VERSION}"

NAMES: Mapping[str, str] = {
    "error": "error.type",
    "server": "server.address",
    "port": "server.port",
    # HTTP
    "method": "http.request.method",
    "route": "http.route",
    "status_code": "http.response.status_code",
    "protocol": "network.protocol.name",
    # messaging
    "messaging": "messaging.system",
    "operation": "messaging.operation.name",
    "operation_type": "messaging.operation.type",
    "destination": "messaging.destination.name",
    "template": "messaging.destination.template",
    "routing_key": "messaging.rabbitmq.destination.routing_key",
    "delivery_tag": "messaging.rabbitmq.message.delivery_tag",
    "correlation_id": "messaging.message.conversation_id",
    "body_size": "messaging.message.body.size",
    # databases
    "database": "db.system.name",
    "written_to": "db.collection.name",
    "written_by": "db.operation.name",
    "batch_size": "db.operation.batch.size",
    # GenAI
    "asks": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "asked_model": "gen_ai.request.model",
    "asked_stream": "gen_ai.request.stream",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "reasoning_effort": "gen_ai.request.reasoning.level",
    "previous_response_id": "gen_ai.request.previous_response.id",
    "conversation_id": "gen_ai.conversation.id",
    "response_id": "gen_ai.response.id",
    "response_model": "gen_ai.response.model",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "time_to_first_chunk": "gen_ai.response.time_to_first_chunk",
    "input_tokens": "gen_ai.usage.input_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
    "system_instructions": "gen_ai.system_instructions",
}
DETAILS = "gen_ai.client.inference.operation.details"
"""The event that tells what was asked and answered."""
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The variable that says where content may be told: NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT."""

PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Providers that the conventions call otherwise than LiteLLM's configuration does."""

FINISHES: Mapping[str | None, str] = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why an incomplete response ended, as a model would say it."""


def named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they are written; what is None is left out. Money is a number here, and exact elsewhere."""
    return {
        NAMES.get(key) or f"warren.{key}": float(value) if isinstance(value, Decimal) else value
        for key, value in attributes.items()
        if value is not None
    }


def provider(name: str) -> str:
    """What the conventions call a provider."""
    return PROVIDERS.get(name, name)
