"""`warren keys`, against a gateway."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.rig.services import KEY
from tests.system.conftest import System
from tests.system.managing import code, respond

pytestmark = pytest.mark.anyio
COMMAND = str(Path(sys.executable).with_name("warren"))


async def keys(system: System, *arguments: str, master_key: str = KEY) -> tuple[int, str, str]:
    """Exit code, output and complaints."""
    environ = {**os.environ, "WARREN_MASTER_KEY": master_key, "WARREN_BASE_URL": f"{system.url}/v1"}
    process = await asyncio.create_subprocess_exec(
        COMMAND, "keys", *arguments, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode(), complaints.decode()


async def test_a_key_is_made_shown_once_blocked_and_deleted(system: System) -> None:
    made = await keys(system, "generate", "--alias", "of the command", "--models", "words-3", "--budget", "5")
    assert (made[0], made[2]) == (0, "")
    key, row = made[1].splitlines()
    id_ = row.split()[0]
    assert "good" in row
    assert "of the command" in row
    assert (await respond(system.url, key, model="words-20")).status_code == 404
    assert key not in (await keys(system, "info", key))[1]
    assert "blocked" in (await keys(system, "block", "of the command"))[1]
    assert code(await respond(system.url, key)) == (401, "key_blocked")
    assert "good" in (await keys(system, "unblock", id_))[1]
    between = (await keys(system, "regenerate", id_, "--overlap", "1h"))[1].splitlines()[0]
    for both in (key, between):  # they are known; it is their budget that wants a price
        assert code(await respond(system.url, both)) == (403, "price_unknown")
    again = (await keys(system, "regenerate", id_))[1].splitlines()[0]
    for gone in (key, between):
        assert code(await respond(system.url, gone)) == (401, "invalid_api_key")
    assert (await keys(system, "delete", again))[1] == f"{id_} is deleted\n"
    assert (await keys(system, "info", id_))[0] == 1


async def test_programs_read_json(system: System) -> None:
    made = json.loads((await keys(system, "generate", "--account", "of programs", "--rpm", "5", "--json"))[1])
    assert (made["account"], made["rpm_limit"]) == ("of programs", 5)
    changed = json.loads((await keys(system, "update", made["id"], "--tpm", "100", "--json"))[1])
    assert (changed["rpm_limit"], changed["tpm_limit"]) == (5, 100)
    page = json.loads((await keys(system, "list", "--account", "of programs", "--json"))[1])
    assert [key["id"] for key in page["keys"]] == [made["id"]]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("info", "sk-unknown-unknown-unknown"), 1, "There is no such key."),
        (("delete", "sk-unknown-unknown-unknown"), 1, "There is no such key."),
        (("generate", "--duration", "soon"), 1, "(invalid_type)"),
        (("generate", "--rpm", "many"), 2, "--rpm"),
        (("nonsense",), 2, "there is no command 'nonsense'"),
        (("info", "x", "--base-url", "http://127.0.0.1:9"), 1, "cannot be reached"),
    ],
)
async def test_what_goes_wrong_is_one_sentence(
    system: System, arguments: tuple[str, ...], status: int, says: str
) -> None:
    exit_code, output, complaints = await keys(system, *arguments)
    assert (exit_code, output) == (status, "")
    assert says in complaints
    assert complaints.count("\n") == 1


async def test_another_key_does_not_do(system: System) -> None:
    assert (await keys(system, "list", master_key="sk-wrong"))[0] == 1
    made = (await keys(system, "generate"))[1].splitlines()[0]
    refused = await keys(system, "list", master_key=made)
    assert refused[0] == 1
    assert "permission_denied" in refused[2]


async def test_help_tells_the_commands(system: System) -> None:
    status, text, _ = await keys(system, "--help")
    assert status == 0
    for name in ("generate", "list", "info", "update", "regenerate", "block", "unblock", "delete"):
        assert f"  {name} " in text
        assert (await keys(system, name, "--help"))[0] == 0
