"""AWS: keys from wherever they are, and requests signed with them (Signature Version 4), both by AWS's own library. It
blocks, and so what may take its time works in threads.
"""

import asyncio
from collections.abc import Mapping
from contextlib import closing
from math import inf
from pathlib import Path
from time import time
from typing import Any

from botocore import UNSIGNED, exceptions  # type: ignore[import-untyped]
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from warren.errors import UpstreamAuth, UpstreamUnreachable, WarrenError
from warren_worker.auth.kept import Lease
from warren_worker.credentials import Aws

_PATIENCE = 10
_LOOKED_UP = 300.0
"""Seconds that keys of AWS's chain are taken for good: it does not say until when they are, but none end sooner."""
_INLINE = 256 * 1024
"""Bytes that are signed in less time than a thread takes."""
_SIGNED = ("content-type",)
"""Headers that are signed, beside `host` and AWS's own: another might be changed on its way."""
_MADE = ("authorization", "x-amz-date", "x-amz-security-token")


async def obtain(credential: Aws) -> Lease:
    """The keys that these credentials come to, for as long as they live.

    Raises:
        UpstreamAuth: they are not accepted, or not there.
        UpstreamUnreachable: who would give keys for them cannot be reached.
    """
    return await asyncio.to_thread(_resolved, credential)


async def signed(credential: Aws, keys: Any, url: str, data: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """What makes a POST of `data` to this URL one that is signed with these keys."""
    if len(data) > _INLINE:
        return await asyncio.to_thread(signature, credential, keys, url, data, headers)
    return signature(credential, keys, url, data, headers)


def signature(credential: Aws, keys: Any, url: str, data: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    given = {name: value for name, value in headers.items() if name in _SIGNED or name.startswith("x-amz-")}
    request = AWSRequest("POST", url, headers=given, data=data)
    SigV4Auth(keys, credential.service, credential.region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() in _MADE}


def _resolved(credential: Aws) -> Lease:
    try:
        if credential.role is not None:
            return _assumed(credential, credential.role)
        return _own(credential)
    except exceptions.ClientError as error:
        raise _refused(error) from None
    except (exceptions.HTTPClientError, exceptions.ConnectionError):
        raise UpstreamUnreachable("AWS cannot be reached for credentials.") from None
    except exceptions.BotoCoreError:
        raise UpstreamAuth("The deployment's AWS credentials cannot be used.") from None
    except (OSError, LookupError, TypeError, ValueError):
        raise UpstreamAuth("The deployment's AWS credentials cannot be read.") from None


def _own(credential: Aws) -> Lease:
    """Keys that are given, or else those of a profile, of the environment, or of what AWS's chain finds."""
    environ = credential.environ
    if credential.access_key_id is not None or credential.secret_access_key is not None:
        return _keys(credential.access_key_id, credential.secret_access_key, credential.session_token)
    if credential.profile is None and environ.get("AWS_ACCESS_KEY_ID"):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return _keys(*(environ.get(name) for name in names))
    profile = credential.profile or environ.get("AWS_PROFILE")
    found = Session(profile=profile).get_credentials()
    if found is None:
        raise UpstreamAuth("There are no AWS credentials where workers run.")
    return Lease(found.get_frozen_credentials(), time() + _LOOKED_UP)


def _keys(access: str | None, secret: str | None, token: str | None) -> Lease:
    if not access or not secret:
        raise UpstreamAuth("Of the deployment's AWS credentials, one half is missing.")
    return Lease(ReadOnlyCredentials(access, secret, token), inf)


def _assumed(credential: Aws, role: str) -> Lease:
    """Keys of a role, for an hour or what the role allows."""
    asked = {"RoleArn": role, "RoleSessionName": credential.role_session or "warren"}
    if credential.web_identity_token is not None:
        token = _token(credential.web_identity_token)
        with closing(_sts(credential, Config(signature_version=UNSIGNED))) as sts:
            keys = sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)["Credentials"]
    else:
        own = _own(credential).value
        named = {"ExternalId": credential.external_id} if credential.external_id is not None else {}
        with closing(_sts(credential, Config(), own)) as sts:
            keys = sts.assume_role(**asked, **named)["Credentials"]
    made = ReadOnlyCredentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    return Lease(made, keys["Expiration"].timestamp())


def _sts(credential: Aws, config: Any, own: Any = None) -> Any:
    patient = Config(connect_timeout=_PATIENCE, read_timeout=_PATIENCE, retries={"total_max_attempts": 2})
    keys = {"access_key": "aws_access_key_id", "secret_key": "aws_secret_access_key", "token": "aws_session_token"}
    return Session().create_client(
        "sts",
        region_name=credential.region,
        endpoint_url=credential.sts_endpoint,
        config=patient.merge(config),
        **{name: getattr(own, key) for key, name in keys.items() if own is not None},
    )


def _token(given: str) -> str:
    """A web identity's token, or what is in the file that it names: that changes."""
    return Path(given).read_text(encoding="utf-8").strip() if given.startswith("/") else given


def _refused(error: Any) -> WarrenError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if status >= 500 or status == 429:
        return UpstreamUnreachable("AWS gives no credentials at the moment.")
    return UpstreamAuth("AWS does not accept Warren's credentials.")
