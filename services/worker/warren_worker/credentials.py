"""What a deployment may be reached with, beside headers that never change. `auth` turns these into headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, 4.4): Microsoft Entra, Databricks."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Google:
    """Google credentials: a service account, a user, workload identity; without any, those of the environment."""

    credentials: str | None = field(default=None, repr=False)
    """JSON, or the path of a file with it."""
    scope: str = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True, slots=True)
class Aws:
    """AWS credentials, to sign each request with (Signature Version 4). What is not given AWS's chain finds."""

    region: str
    service: str = "bedrock"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    role: str | None = None
    role_session: str | None = None
    external_id: str | None = field(default=None, repr=False)
    web_identity_token: str | None = field(default=None, repr=False)
    sts_endpoint: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False, hash=False)
    """Where the chain looks for variables."""


Credential = ClientCredentials | Google | Aws
