"""What it costs to import the SDK: nothing to speak of, until it is used."""

import subprocess
import sys

import warren

TIMED = """
import time
started = time.perf_counter()
import warren
print(time.perf_counter() - started)
"""


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_it_takes_less_than_a_tenth_of_a_second() -> None:
    assert min(float(_python(TIMED)) for _ in range(3)) < 0.1


def test_it_imports_nothing_that_it_may_not_need() -> None:
    code = "import sys; before = {*sys.modules}; import warren; print(*sorted({*sys.modules} - before))"
    heavy = {"httpx", "pydantic", "asyncio", "openai", "warren_gateway", "importlib.metadata"}
    assert not heavy & {*_python(code).split()}


def test_a_client_of_a_gateway_needs_no_services() -> None:
    code = (
        "import sys, warren\n"
        "client = warren.Client('http://127.0.0.1:9', 'k')\n"
        "try: client.responses('hello', 'm')\n"
        "except warren.APIConnectionError: pass\n"
        "services = {'yaml', 'structlog', 'fastapi', 'opentelemetry', 'uvloop', 'warren.bus'}\n"
        "print(*(name for name in sys.modules if name in services or name.startswith('warren_')))"
    )
    assert not _python(code).strip()


def test_every_name_is_there() -> None:
    for name in dir(warren):
        assert getattr(warren, name) is not None
    assert {"responses", "Router", "Client", "RateLimitError", "exceptions"} <= {*dir(warren)}
    assert not hasattr(warren, "nothing")


def test_typing_knows_the_same_names() -> None:
    import re
    from pathlib import Path

    text = Path(warren.__file__ or "").read_text()
    typed = {name for name, again in re.findall(r"import (\w+) as (\w+)", text) if name == again}
    assert typed == {*warren._PUBLIC, "exceptions"}
