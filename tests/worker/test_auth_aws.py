"""Requests to AWS are signed as AWS says, with keys from wherever they are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore import auth as theirs  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from tests.rig.vendors import Fake, aws, fake
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren_worker.auth import Authority
from warren_worker.auth.aws import signature
from warren_worker.auth.kept import Kept
from warren_worker.credentials import Aws

pytestmark = pytest.mark.anyio
URL = "https://bedrock-runtime.us-east-1.amazonaws.com"
CLAUDE = f"{URL}/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
ROLE = "arn:aws:iam::123456789012:role/warren"
OURS: Any = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secretEXAMPLE"}
JSON = {"content-type": "application/json", "accept": "application/json"}


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS's chain finds nothing on this machine."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with httpx.AsyncClient() as client:
        yield Authority(client)


@pytest.fixture
async def sts() -> AsyncIterator[Fake]:
    async with fake(aws.sts) as made:
        yield made


async def signed(authority: Authority, credential: Aws, data: bytes = b"{}") -> dict[str, str]:
    return dict(await authority.headers(credential, CLAUDE, data, JSON))


def parts(authorization: str) -> dict[str, str]:
    return dict(part.strip().split("=", 1) for part in authorization.partition(" ")[2].split(","))


async def test_a_path_that_is_quoted_already_is_quoted_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(theirs, "get_current_datetime", lambda: then)
    made = await signed(authority, Aws("us-east-1", **OURS), b'{"messages":[]}')
    assert parts(made["authorization"]) == {
        "Credential": "AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request",
        "SignedHeaders": "content-type;host;x-amz-date",
        "Signature": "9f7ca231cfe18dda09dfecb6753a7573763cab9809bfcd8c09d5f0d3bd4e5b61",
    }
    assert made["x-amz-date"] == "20260102T030405Z"
    assert made.keys() == {"authorization", "x-amz-date"}


PATHS = st.lists(st.text("abc.-_~", min_size=1).filter(lambda step: step.strip(".")), min_size=1)


@given(
    path=PATHS.map("/".join),
    quoted=st.sampled_from(["", "%3A0", "%2Fx%2Fy", "%25"]),
    query=st.sampled_from(["", "a=1", "b=2&a=%20x", "a="]),
    data=st.binary(max_size=200),
    token=st.none() | st.text("abcXYZ+/=", min_size=1),
    extra=st.dictionaries(st.sampled_from(["x-amz-a", "x-amz-b"]), st.text("ab ", min_size=1).map(str.strip)),
)
def test_a_signature_is_what_the_documentation_says(
    path: str, quoted: str, query: str, data: bytes, token: str | None, extra: dict[str, str]
) -> None:
    keys: Any = theirs.SigV4Auth  # whatever has these three
    keys = type("Keys", (), {"access_key": "AKIDEXAMPLE", "secret_key": "secretEXAMPLE", "token": token})
    url = f"{URL}/{path}{quoted}" + (f"?{query}" if query else "")
    given_ = {**JSON, **extra, "x-other": "not signed"}
    made = signature(Aws("us-east-1"), keys, url, data, given_)
    said = parts(made["authorization"])
    sent = {**given_, **made, "host": "bedrock-runtime.us-east-1.amazonaws.com"}
    headers = {name: sent[name] for name in said["SignedHeaders"].split(";")}
    assert {"content-type", "host", "x-amz-date", *extra} <= headers.keys()
    assert ("x-amz-security-token" in headers) == (token is not None)
    scope = (made["x-amz-date"][:8], "us-east-1", "bedrock")
    wanted = aws.signature("secretEXAMPLE", scope, made["x-amz-date"], f"/{path}{quoted}", query, headers, data)
    assert said["Signature"] == wanted


async def test_a_large_body_is_signed_alike(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "get_current_datetime", lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    data = b"x" * 500_000
    made = await signed(authority, Aws("us-east-1", **OURS), data)
    headers = {
        "content-type": "application/json",
        "host": "bedrock-runtime.us-east-1.amazonaws.com",
        "x-amz-date": made["x-amz-date"],
    }
    scope = ("20260102", "us-east-1", "bedrock")
    path = CLAUDE.removeprefix(URL)
    wanted = aws.signature("secretEXAMPLE", scope, made["x-amz-date"], path, "", headers, data)
    assert parts(made["authorization"])["Signature"] == wanted


async def test_a_role_is_assumed_once_and_signs_until_it_ends(authority: Authority, sts: Fake) -> None:
    credential = Aws("us-east-1", role=ROLE, external_id="outside", sts_endpoint=sts.url, **OURS)
    made = await asyncio.gather(*(signed(authority, credential) for _ in range(8)))
    assert {one["x-amz-security-token"] for one in made} == {"token-of-the-role"}
    assert all("Credential=ASIAROLE/" in one["authorization"] for one in made)
    await signed(authority, credential)
    (call,) = sts.calls
    assert (call.body["Action"], call.body["RoleSessionName"]) == ("AssumeRole", "warren")
    assert call.body["ExternalId"] == "outside"


async def test_a_role_that_has_ended_is_assumed_again(sts: Fake) -> None:
    now = [datetime.now(UTC).timestamp()]
    credential = Aws("us-east-1", role=ROLE, role_session="somebody", sts_endpoint=sts.url, **OURS)
    async with httpx.AsyncClient() as client:
        authority = Authority(client, Kept(lambda: now[0]))
        await signed(authority, credential)
        now[0] += timedelta(minutes=50).total_seconds()
        await signed(authority, credential)
        assert len(sts.calls) == 1
        now[0] += timedelta(minutes=9).total_seconds()
        await signed(authority, credential)
        assert len(sts.calls) == 2
    assert sts.calls[0].body["RoleSessionName"] == "somebody"


async def test_a_role_is_assumed_by_a_web_identity(authority: Authority, sts: Fake, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a.web.token\n")
    for token in ("a.web.token", str(file)):
        credential = Aws("us-east-1", role=ROLE, web_identity_token=token, sts_endpoint=sts.url)
        assert (await signed(authority, credential))["x-amz-security-token"] == "token-of-the-role"
    assert {call.body["Action"] for call in sts.calls} == {"AssumeRoleWithWebIdentity"}


@pytest.mark.parametrize(
    "given_",
    [
        {"role": "arn:aws:iam::123456789012:role/other", **OURS},
        {"role": ROLE, "access_key_id": "AKIDEXAMPLE", "secret_access_key": "wrong"},
        {"role": ROLE, "external_id": "inside", **OURS},
        {"role": ROLE, "web_identity_token": "another"},
        {"role": ROLE, "web_identity_token": "/nowhere/at/all"},
    ],
)
async def test_a_role_that_is_not_given_is_our_own_affair(
    given_: dict[str, Any], authority: Authority, sts: Fake
) -> None:
    with pytest.raises(UpstreamAuth) as caught:
        await signed(authority, Aws("us-east-1", sts_endpoint=sts.url, **given_))
    assert "arn:" not in caught.value.message
    assert "secret" not in caught.value.message


async def test_whoever_gives_no_keys_may_do_so_later(authority: Authority) -> None:
    credential = Aws("us-east-1", role=ROLE, sts_endpoint="http://127.0.0.1:9", **OURS)
    with pytest.raises(UpstreamUnreachable):
        await signed(authority, credential)


async def test_keys_are_looked_for_in_the_environment_and_in_profiles(authority: Authority, tmp_path: Path) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    made = await signed(authority, Aws("eu-west-1", environ=environ))
    assert "Credential=AKIDENV/" in made["authorization"]
    assert "/eu-west-1/bedrock/" in made["authorization"]
    assert made["x-amz-security-token"] == "t"
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = AKIDMINE\naws_secret_access_key = s\n")
    made = await signed(authority, Aws("eu-west-1", profile="mine", environ=environ))
    assert "Credential=AKIDMINE/" in made["authorization"]


@pytest.mark.parametrize("given_", [{}, {"profile": "nobody's"}, {"access_key_id": "AKIDEXAMPLE"}])
async def test_where_there_are_no_keys_nothing_is_sent(given_: dict[str, Any], authority: Authority) -> None:
    with pytest.raises(UpstreamAuth):
        await signed(authority, Aws("us-east-1", **given_))


async def test_without_awss_library_that_is_said(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "warren_worker.auth.aws")
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(UpstreamAuth, match="botocore"):
        await signed(authority, Aws("us-east-1", **OURS))
