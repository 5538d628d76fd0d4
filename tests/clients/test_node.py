"""Clients that are written in JavaScript: each of them has a script in `node/`, which `node --test` runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import MODEL, Warren

FOLDER = Path(__file__).with_name("node")
NODE = Path(sys.executable).with_name("node")
TESTS = sorted(path.name for path in FOLDER.glob("*.test.js"))


@pytest.mark.parametrize("script", TESTS)
def test_a_client_in_javascript_is_content(warren: Warren, script: str) -> None:
    environ = {
        **os.environ,
        "WARREN_URL": warren.url, "WARREN_KEY": warren.key, "WARREN_MODEL": MODEL,
        "AI_SDK_LOG_WARNINGS": "false", "OPENAI_API_KEY": warren.key, "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }  # fmt: skip
    ran = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", "--test-timeout=30000", script],
        cwd=FOLDER, env=environ, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
