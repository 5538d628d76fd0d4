"""Warren: the OpenAI Responses API in front of every LLM provider.

    import warren

    response = warren.responses(model="openai/gpt-5", input="Tell me a story.")
    print(response.output_text, response.cost)

Nothing is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warren import exceptions as exceptions
    from warren.client.asynchronous import AsyncClient as AsyncClient
    from warren.client.events import StreamEvent as StreamEvent
    from warren.client.functions import acancel_responses as acancel_responses
    from warren.client.functions import acompact_responses as acompact_responses
    from warren.client.functions import adelete_responses as adelete_responses
    from warren.client.functions import aget_responses as aget_responses
    from warren.client.functions import alist_input_items as alist_input_items
    from warren.client.functions import aresponses as aresponses
    from warren.client.functions import cancel_responses as cancel_responses
    from warren.client.functions import compact_responses as compact_responses
    from warren.client.functions import delete_responses as delete_responses
    from warren.client.functions import get_responses as get_responses
    from warren.client.functions import list_input_items as list_input_items
    from warren.client.functions import responses as responses
    from warren.client.router import Router as Router
    from warren.client.streams import AsyncStream as AsyncStream
    from warren.client.streams import Stream as Stream
    from warren.client.sync import Client as Client
    from warren.client.types import CompactedResponse as CompactedResponse
    from warren.client.types import DeletedResponse as DeletedResponse
    from warren.client.types import Page as Page
    from warren.client.types import Response as Response
    from warren.errors import WarrenError as WarrenError
    from warren.exceptions import APIConnectionError as APIConnectionError
    from warren.exceptions import APIError as APIError
    from warren.exceptions import AuthenticationError as AuthenticationError
    from warren.exceptions import BadGatewayError as BadGatewayError
    from warren.exceptions import BadRequestError as BadRequestError
    from warren.exceptions import BudgetExceededError as BudgetExceededError
    from warren.exceptions import ContentPolicyViolationError as ContentPolicyViolationError
    from warren.exceptions import ContextWindowExceededError as ContextWindowExceededError
    from warren.exceptions import InternalServerError as InternalServerError
    from warren.exceptions import JSONSchemaValidationError as JSONSchemaValidationError
    from warren.exceptions import NotFoundError as NotFoundError
    from warren.exceptions import PaymentRequiredError as PaymentRequiredError
    from warren.exceptions import PermissionDeniedError as PermissionDeniedError
    from warren.exceptions import RateLimitError as RateLimitError
    from warren.exceptions import ServiceUnavailableError as ServiceUnavailableError
    from warren.exceptions import Timeout as Timeout
    from warren.exceptions import UnprocessableEntityError as UnprocessableEntityError
    from warren.exceptions import UnsupportedParamsError as UnsupportedParamsError

__version__ = "0.1.0"

_FROM = {
    "warren.client.functions": (
        "acancel_responses", "acompact_responses", "adelete_responses", "aget_responses", "alist_input_items",
        "aresponses", "cancel_responses", "compact_responses", "delete_responses", "get_responses", "list_input_items",
        "responses",
    ),
    "warren.client.sync": ("Client",),
    "warren.client.asynchronous": ("AsyncClient",),
    "warren.client.router": ("Router",),
    "warren.client.streams": ("AsyncStream", "Stream"),
    "warren.client.events": ("StreamEvent",),
    "warren.client.types": ("CompactedResponse", "DeletedResponse", "Page", "Response"),
    "warren.errors": ("WarrenError",),
    "warren.exceptions": (
        "APIConnectionError", "APIError", "AuthenticationError", "BadGatewayError", "BadRequestError",
        "BudgetExceededError", "ContentPolicyViolationError", "ContextWindowExceededError", "InternalServerError",
        "JSONSchemaValidationError", "NotFoundError", "PaymentRequiredError", "PermissionDeniedError",
        "RateLimitError", "ServiceUnavailableError", "Timeout", "UnprocessableEntityError", "UnsupportedParamsError",
    ),
}  # fmt: skip
_PUBLIC = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "exceptions":
        return import_module("warren.exceptions")
    if (module := _PUBLIC.get(name)) is None:
        raise AttributeError(f"module 'warren' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, "exceptions"})
