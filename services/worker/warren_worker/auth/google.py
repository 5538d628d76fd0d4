"""Google's access tokens, by Google's own library: it knows all kinds of credentials there are. It blocks, and so it
works in threads.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from time import time
from typing import Any

import google.auth
from google.auth import exceptions
from google.auth.transport.requests import Request
from pydantic_core import from_json

from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.auth.kept import Lease
from warren_worker.credentials import Google

_PATIENCE = 20.0
_OF_AWS = "urn:ietf:params:aws:token-type:aws4_request"
_KINDS = {
    "service_account": ("google.oauth2.service_account", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials", "from_authorized_user_info"),
    "impersonated_service_account": (
        "google.auth.impersonated_credentials",
        "from_impersonated_service_account_info",
    ),
    "external_account": ("google.auth.identity_pool", "from_info"),
    "external_account_authorized_user": ("google.auth.external_account_authorized_user", "from_info"),
    "aws": ("google.auth.aws", "from_info"),
}
"""What makes credentials of JSON, by its `type`; workload identity is an `external_account`."""


async def obtain(credential: Google) -> Lease:
    """The headers that a request with these credentials has, for as long as its token lives.

    Raises:
        UpstreamAuth: they are not accepted, or not there.
        UpstreamUnreachable: who would give a token for them cannot be reached.
    """
    return await asyncio.to_thread(_fetched, credential)


def _fetched(credential: Google) -> Lease:
    request = partial(Request(), timeout=_PATIENCE)
    try:
        credentials = _loaded(credential, request)
        credentials.refresh(request)
        headers: dict[str, str] = {}
        credentials.apply(headers)
    except exceptions.TransportError:
        raise _unreachable() from None
    except exceptions.DefaultCredentialsError:
        raise UpstreamAuth("There are no Google credentials where workers run that can be read.") from None
    except exceptions.GoogleAuthError as error:
        if error.retryable:
            raise _unreachable() from None
        raise UpstreamAuth("Google does not accept Warren's credentials.") from None
    except (AttributeError, OSError, LookupError, TypeError, ValueError):
        raise UpstreamAuth("The deployment's Google credentials cannot be read.") from None
    return Lease({name.lower(): value for name, value in headers.items()}, _until(credentials.expiry))


def _loaded(credential: Google, request: Any) -> Any:
    scopes = [credential.scope]
    if credential.credentials is None:
        return google.auth.default(scopes=scopes, request=request)[0]
    given = credential.credentials
    info = from_json(given if given.lstrip().startswith("{") else Path(given).read_bytes())
    module, load = _KINDS[_kind(info)]
    return getattr(import_module(module).Credentials, load)(info, scopes=scopes)


def _kind(info: Any) -> str:
    kind = str(info["type"])
    if kind == "external_account" and info["subject_token_type"] == _OF_AWS:
        return "aws"
    return kind


def _until(expiry: datetime | None) -> float:
    """Google's library counts in UTC and does not say so; a token without an end is looked at again in an hour."""
    return time() + 3600.0 if expiry is None else expiry.replace(tzinfo=UTC).timestamp()


def _unreachable() -> UpstreamUnreachable:
    return UpstreamUnreachable("Google cannot be reached for an access token.")
