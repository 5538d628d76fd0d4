"""Settings: flags over variables over defaults, and one sentence for what is wrong."""

import os
import signal
from asyncio import Event, sleep

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from warren.errors import BusUnavailable
from warren.settings import Complaint, Names, ServiceSettings, Settings, drained, load, run


class Example(ServiceSettings):
    """A service for examples."""

    model_config = SettingsConfigDict(cli_prog_name="example")

    size: int = Field(default=5, ge=1)
    """How large it is."""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("WARREN_"):
            monkeypatch.delenv(name)


def test_flags_go_over_variables_and_variables_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(Example, arguments=[]).size == 5
    monkeypatch.setenv("WARREN_SIZE", "7")
    monkeypatch.setenv("WARREN_LOG_LEVEL", "")
    assert load(Example, arguments=[]).size == 7
    assert load(Example, arguments=["--size", "9"]).size == 9
    assert load(Example, arguments=[]).log_level == "info"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(["--size", "many"], "--size"), (["--size", "0"], "--size"), (["--log-level", "loud"], "--log-level")],
)
def test_a_wrong_flag_is_one_sentence(arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(Example, arguments=arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"example: {name}: ")
    assert said.count("\n") == 1


def test_a_wrong_variable_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WARREN_REQUEST_TIMEOUT", "long")
    with pytest.raises(SystemExit):
        load(Example, arguments=[])
    assert capsys.readouterr().err.startswith("example: --request-timeout: ")


def test_help_tells_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(Example, arguments=["--help"])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for name, field in Example.model_fields.items():
        assert f"--{name.replace('_', '-')}" in told
        assert field.description
        assert " ".join(field.description.split()) in told


def test_the_address_of_the_broker_is_not_printed() -> None:
    assert "hush" not in repr(load(Example, arguments=["--amqp-url", "amqp://me:hush@broker/"]))


@pytest.mark.parametrize("failure", [Complaint("The port is taken."), BusUnavailable("The port is taken.")])
def test_a_service_that_cannot_start_says_why(failure: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    async def main(stop: Event) -> None:
        raise failure

    with pytest.raises(SystemExit) as ended:
        run("example", main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "example: The port is taken.\n"


def test_the_first_signal_asks_and_the_second_ends() -> None:
    seen: list[str] = []

    async def main(stop: Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        seen.append("asked")
        os.kill(os.getpid(), signal.SIGINT)
        await sleep(5)
        seen.append("never")

    with pytest.raises(SystemExit) as ended:
        run("example", main)
    assert (seen, ended.value.code) == (["asked"], 130)


@pytest.mark.anyio
async def test_what_does_not_leave_in_time_is_cancelled() -> None:
    left: list[str] = []

    async def leave(name: str, seconds: float) -> None:
        try:
            await sleep(seconds)
            left.append(name)
        except BaseException:
            left.append(f"{name}, cut")
            raise

    async with drained(0.05) as stack:
        stack.push_async_callback(leave, "slow", 5)
        stack.push_async_callback(leave, "quick", 0)
    assert left == ["quick", "slow, cut"]


def test_all_settings_have_defaults() -> None:
    assert Settings().request_timeout == 600


def test_several_are_separated_by_commas_in_variables_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    class Several(Settings):
        names: Names

    monkeypatch.setenv("WARREN_NAMES", "a, 10.0.0.0/8,")
    assert load(Several, arguments=[]).names == ["a", "10.0.0.0/8"]
    assert load(Several, arguments=["--names", "b,c"]).names == ["b", "c"]
    monkeypatch.delenv("WARREN_NAMES")
    assert load(Several, arguments=[]).names == []
