"""What rows of `warren.compatible` become."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from warren.compatible import Row
from warren_worker.credentials import ClientCredentials
from warren_worker.dialect import Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.parameters import Treatment
from warren_worker.provider import Asked, Site

NATIVE = "/v1/responses"
"""Said among the `supported_endpoints` of a deployment: it has the Responses API, whoever serves it."""
_ENDPOINTS = ("/chat/completions", "/responses")


@dataclass(frozen=True, slots=True)
class Compatible:
    name: str
    row: Row

    def site(self, asked: Asked) -> Site:
        row = self.row
        base = self._base(asked)
        credential = self._client(asked, base)
        key = None if credential is not None else asked.key(*row.keys, default=row.key)
        native = self._native(asked)
        dialect = self._responses(base) if native else self._chat(asked)
        parameters = row.native_parameters if native else row.parameters
        return Site(
            base_url=base,
            model=re.sub(*row.rename, asked.model) if row.rename is not None else asked.model,
            dialect=dialect,
            headers={**({"authorization": f"Bearer {key}"} if key else {}), **row.headers},
            credential=credential,
            parameters={name: Treatment(treatment) for name, treatment in parameters.items()},
            native=native,
        )

    def _base(self, asked: Asked) -> str:
        """Without the endpoint, which some write behind it."""
        base = asked.base(*self.row.bases, default=self.row.base_url)
        for endpoint in _ENDPOINTS:
            base = base.removesuffix(endpoint)
        return base.removesuffix(self.row.ends) + self.row.ends

    def _native(self, asked: Asked) -> bool:
        if asked.chat:
            return False
        if NATIVE in (asked.deployment.info.supported_endpoints or ()):
            return True
        return self.row.native and re.search(self.row.native_models or "", asked.model) is not None

    def _responses(self, base: str) -> Dialect:
        made = Responses(**self.row.responses)
        version, slash, _ = made.path.rpartition("/")
        if slash and version and base.endswith(version):
            return Responses(**{**self.row.responses, "path": made.path.removeprefix(version)})
        return made

    def _chat(self, asked: Asked) -> Dialect:
        deviations = dict(self.row.chat)
        for pattern, more in self.row.chat_models.items():
            if re.search(pattern, asked.model):
                deviations |= more
        return Chat(**deviations, facts=asked.facts)

    def _client(self, asked: Asked, base: str) -> ClientCredentials | None:
        """An OAuth client, where one is given and no key."""
        tokens, params = self.row.tokens, asked.params
        if tokens is None or params.api_key is not None:
            return None
        id_ = asked.value(params.client_id, *tokens.clients)
        secret = asked.value(params.client_secret, *tokens.secrets)
        if id_ is None or secret is None or (params.client_id is None and asked.value(None, *self.row.keys)):
            return None
        host = urlsplit(base)
        return ClientCredentials(f"{host.scheme}://{host.netloc}{tokens.path}", id_, secret, tokens.scope)
