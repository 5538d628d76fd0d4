"""LangChain's own suite for chat models, on its OpenAI model with the Responses API."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from tests.clients.conftest import MODEL, Warren


@pytest.fixture
def benchmark() -> None:
    """What one of its tests asks for, and does not get to use: it wants recorded traffic, and skips itself."""


@pytest.fixture
def vcr() -> None:
    """The same."""


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema")  # of one of its own tests
class TestChatOpenAI(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _warren(self, warren: Warren) -> Iterator[None]:
        """LangChain's own HTTP clients are never closed, and outlive the event loop they belong to."""
        self.warren = warren
        self.async_http = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))
        with httpx2.Client() as self.http:
            yield

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": MODEL,
            "use_responses_api": True,
            "base_url": self.warren.url,
            "api_key": self.warren.key,
            "output_version": self.output_version,
            "http_client": self.http,
            "http_async_client": self.async_http,
        }

    output_version = "v0"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "words-20"


class TestChatOpenAIWithItems(TestChatOpenAI):
    """Its messages are made of the response's items."""

    output_version = "responses/v1"
