"""OpenAI's Codex CLI, which speaks nothing but the Responses API, with a model that speaks Chat Completions.

It offers a hosted `web_search` by itself, which such a model cannot take: `drop_params` leaves it out.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import MODEL, alone
from tests.rig.services import KEY
from tests.rig.upstream import provider_in_thread

CODEX = Path(__file__).parents[1] / "clients" / "codex" / "node_modules" / ".bin" / "codex"
CONFIG = """
model = "{model}"
model_provider = "warren"

[model_providers.warren]
name = "Warren"
base_url = "{url}"
env_key = "WARREN_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = {websockets}
"""


@pytest.mark.parametrize("websockets", ["false", "true"])
def test_codex_runs_a_command_and_tells_what_came_of_it(websockets: str, tmp_path: Path) -> None:
    home = tmp_path / "codex"
    home.mkdir()
    with provider_in_thread() as upstream, alone(upstream, tmp_path, drop_params=True) as url:
        (home / "config.toml").write_text(CONFIG.format(model=MODEL, url=url, websockets=websockets))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            [CODEX, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json",
             "use exec_command with 'echo under ground'"],
            cwd=home, env={**os.environ, "PATH": path, "HOME": str(home), "CODEX_HOME": str(home), "WARREN_KEY": KEY},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        asked = len(upstream.calls)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    events = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    done = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [item["aggregated_output"] for item in done if item["type"] == "command_execution"] == ["under ground\n"]
    (told,) = (item["text"] for item in done if item["type"] == "agent_message")
    assert told.startswith("The tools said:")
    assert "under ground" in told
    assert asked == 2
