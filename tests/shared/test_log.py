"""What is logged, and what never is."""

import json
import logging
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from warren import log
log.setup("info", "{form}", service="test")
for logger in (structlog.get_logger("warren"), logging.getLogger("uvicorn.error"), logging.getLogger("aiormq")):
    try:
        raise ValueError("the canary")
    except ValueError:
        logger.exception("it failed")
logging.getLogger("httpx").info("the canary")
structlog.get_logger("warren").debug("too quiet")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_is_told_without_its_words(form: str) -> None:
    command = [sys.executable, "-c", PROGRAM.replace("{form}", form)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "canary" not in said
    assert "ValueError" in said
    assert "<string>:7" in said
    assert "too quiet" not in said


def test_a_line_is_json_that_names_its_service() -> None:
    command = [sys.executable, "-c", PROGRAM.replace("{form}", "json")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    line = json.loads(lines[0])
    assert (line["service"], line["level"], line["event"]) == ("test", "error", "it failed")
    assert logging.getLevelName(line["level"].upper()) == logging.ERROR
