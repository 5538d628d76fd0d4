"""Calls that are answered inside of the process: without a configuration, with several, by several processes."""

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import warren
from tests.clients.conftest import MODEL
from tests.rig.services import models
from tests.rig.upstream import FakeProvider
from warren import Client
from warren.client import functions
from warren_gateway import host
from warren_gateway.host import HOST

MODEL_OF_OPENAI = "openai/words-3"
ASKS = f"""
import sys, warren
made = [warren.responses("hello", "{MODEL_OF_OPENAI}") for _ in range(int(sys.argv[1]))]
for one in made:
    assert warren.get_responses(one.id) == one
print(*(one.id for one in made))
"""


def python(code: str, *arguments: str, **more: str) -> str:
    """What a program writes, which warns of nothing and complains of nothing."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **more})
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_a_model_by_its_provider_needs_a_key_in_the_environment_only(environment: Path, upstream: FakeProvider) -> None:
    made = warren.responses(model=MODEL_OF_OPENAI, input="hello")
    assert made.model == MODEL_OF_OPENAI
    assert upstream.calls[-1].model == "words-3"
    assert upstream.calls[-1].path == "/v1/responses"
    assert upstream.calls[-1].headers["authorization"] == "Bearer sk-of-the-environment"
    assert warren.get_responses(response_id=made.id) == made
    assert warren.list_input_items(made.id, custom_llm_provider="openai").data
    assert warren.delete_responses(response_id=made.id).deleted


def test_the_functions_have_asynchronous_twins(environment: Path) -> None:
    async def life() -> bool:
        made = await warren.aresponses(model=MODEL_OF_OPENAI, input="hello")
        assert await warren.aget_responses(response_id=made.id) == warren.get_responses(made.id) == made
        stream = await warren.aresponses(model=MODEL_OF_OPENAI, input="hello", stream=True)
        assert [event.type async for event in stream][-1] == "response.completed"
        background = await warren.aresponses(model=MODEL_OF_OPENAI, input="hello", background=True)
        assert (await warren.acancel_responses(background.id)).id == background.id
        assert (await warren.alist_input_items(made.id)).data
        assert (await warren.acompact_responses("hello", MODEL_OF_OPENAI)).output
        return (await warren.adelete_responses(response_id=made.id)).deleted

    assert asyncio.run(life())
    assert asyncio.run(life())


def test_what_a_call_says_of_the_way_reaches_the_provider_and_no_disk(
    environment: Path, upstream: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    for key in ("sk-secret-one", "sk-secret-two"):
        made = warren.responses(
            "hello", "words-3", custom_llm_provider="openai", api_key=key, api_base=upstream.url,
            extra_headers={"x-team": f"{key}-red"}, use_chat_completions_api=True,
        )  # fmt: skip
        assert made.model == "words-3"
        call = upstream.calls[-1]
        assert call.path == "/v1/chat/completions"
        assert (call.headers["authorization"], call.headers["x-team"]) == (f"Bearer {key}", f"{key}-red")
        again = warren.responses(
            "again", "words-3", custom_llm_provider="openai", api_key=key, api_base=upstream.url,
            previous_response_id=made.id,
        )  # fmt: skip
        assert again.headers["x-warren-deployment"] != made.headers["x-warren-deployment"]  # another API, so another
        assert len(upstream.calls[-1].said) == 3
    HOST.close()
    files = [file.read_bytes() for file in environment.iterdir()]
    assert any(b"words-3" in content for content in files)
    assert not any(b"sk-secret" in content for content in files)


def test_a_missing_key_is_the_callers(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(warren.AuthenticationError, match="OPENAI_API_KEY") as missing:
        warren.responses("hello", "openai/unheard-of")
    assert (missing.value.status_code, missing.value.code) == (401, "upstream_auth")


def test_a_provider_that_is_not_there_is_a_connection_error(environment: Path) -> None:
    with pytest.raises(warren.APIConnectionError) as gone:
        warren.responses("hello", "openai/words-3", api_base="http://127.0.0.1:9/v1")
    assert gone.value.code == "upstream_unreachable"


def test_a_model_of_nobody_says_so(environment: Path) -> None:
    with pytest.raises(warren.BadRequestError, match="no adapter for the provider 'nobody'") as unknown:
        warren.responses("hello", "nobody/at-all")
    assert unknown.value.param == "model"
    assert "line" not in unknown.value.message


def test_fallbacks_may_be_named_without_a_configuration() -> None:
    from warren.client import calls, source

    given = {
        "fallbacks": ["openai/b", {"model": "openai/c", "api_key": "k", "temperature": 0}, {"openai/a": ["openai/d"]}]
    }
    call = calls.create("hello", "openai/a", None, None, {**given, "api_key": "main"})
    made = json.loads(source._made(call))
    assert [one["litellm_params"] for one in made["model_list"]] == [
        {"model": "openai/a", "api_key": "main"}, {"model": "openai/b"},
        {"model": "openai/c", "api_key": "k"}, {"model": "openai/d"},
    ]  # fmt: skip
    assert call.body is not None
    assert call.body["fallbacks"][1] == {"model": "openai/c", "temperature": 0}


def test_the_environments_configuration_is_the_one(
    environment: Path, upstream: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(models(upstream.url, MODEL)))
    monkeypatch.setenv("WARREN_CONFIG", str(path))
    assert warren.responses("hello", MODEL).output_text.strip() == "You said: hello"
    with pytest.raises(warren.NotFoundError):
        warren.responses("hello", MODEL_OF_OPENAI)
    with pytest.raises(warren.UnsupportedParamsError) as refused:
        warren.responses("hello", MODEL, api_key="another")
    assert refused.value.param == "api_key"
    monkeypatch.setenv("WARREN_CONFIG", str(tmp_path / "nowhere.yaml"))
    with pytest.raises(warren.BadRequestError, match=r"nowhere\.yaml: cannot be read"):
        warren.responses("hello", MODEL)


def test_a_gateway_is_not_told_how_to_reach_providers(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARREN_BASE_URL", gateway)
    monkeypatch.setenv("WARREN_API_KEY", "sk-test")
    assert warren.responses("hello", MODEL).output_text.strip() == "You said: hello"
    for given in ({"api_key": "k"}, {"api_base": "u"}, {"api_version": "v"}, {"custom_llm_provider": "azure"},
                  {"extra_headers": {"a": "b"}}, {"aws_region_name": "r"}, {"vertex_ai_project": "p"}):  # fmt: skip
        (name,) = given
        with pytest.raises(warren.UnsupportedParamsError, match=f"'{name}' is for calls inside") as refused:
            warren.responses("hello", MODEL, **given)
        assert refused.value.param == name
    with pytest.raises(warren.UnsupportedParamsError, match=r"fallbacks\.api_key"):
        warren.responses("hello", MODEL, fallbacks=[{"model": "b", "api_key": "k"}])
    with pytest.raises(warren.UnsupportedParamsError):
        warren.get_responses("resp_1", custom_llm_provider="openai")
    monkeypatch.setenv("WARREN_API_KEY", "wrong")
    with pytest.raises(warren.AuthenticationError):
        warren.responses("hello", MODEL)
    monkeypatch.setenv("WARREN_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(warren.APIConnectionError, match="cannot be reached"):
        warren.responses("hello", MODEL)


def test_arguments_of_a_client_that_exclude_each_other() -> None:
    with pytest.raises(warren.BadRequestError):
        Client("http://127.0.0.1:1", config="config.yaml")
    with pytest.raises(warren.BadRequestError, match="base_url"):
        Client(api_key="k")


def test_a_folder_that_cannot_be_used_is_a_sentence(upstream: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Client(config=models(upstream.url, MODEL), data=tmp_path / "file" / "data") as client:
        for _ in range(2):
            with pytest.raises(warren.APIError, match=r"--data .*Not a directory") as refused:
                client.responses("hello", MODEL)
            assert refused.value.code == "not_configured"


def test_a_new_process_finds_what_an_old_one_made(environment: Path) -> None:
    """Also what was said in the last moment, and nothing is written to the program's output."""
    told = python(f"import warren; print(warren.responses('hello', '{MODEL_OF_OPENAI}').id)")
    assert warren.get_responses(told.strip()).output_text
    more = python(
        "import sys, warren; r = warren.responses('more', sys.argv[1], previous_response_id=sys.argv[2]); print(r.id)",
        MODEL_OF_OPENAI,
        told.strip(),
    )
    again = warren.responses("and more", MODEL_OF_OPENAI, previous_response_id=more.strip())
    assert again.previous_response_id == more.strip()


def test_several_processes_share_a_folder(environment: Path, upstream: FakeProvider) -> None:
    """They all come at once, and to an empty folder at that."""
    command = [sys.executable, "-c", ASKS, "5"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    for one in (id_ for ids in told for id_ in ids):
        assert warren.get_responses(one).status == "completed"
    follow_up = warren.responses("more", MODEL_OF_OPENAI, previous_response_id=told[0][0])
    assert len(upstream.calls[-1].said) == 3
    assert warren.get_responses(follow_up.id) == follow_up
    assert not list(environment.glob("secret-*"))


def test_what_another_process_runs_is_cancelled_for_all(environment: Path) -> None:
    warren.responses("hello", MODEL_OF_OPENAI)
    code = (
        "import sys, warren; r = warren.responses('hello', 'openai/words-400-50', background=True)\n"
        "print(r.id, flush=True); sys.stdin.read()\n"
        "assert warren.get_responses(r.id).status == 'cancelled'"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        running = other.stdout.readline().strip()
        assert warren.cancel_responses(running).status == "cancelled"
        other.communicate(timeout=30)
    assert other.returncode == 0
    assert warren.get_responses(running).status == "cancelled"


def _ask_in_child(queue: "multiprocessing.Queue[str]") -> None:
    queue.put(warren.responses("hello from a child", MODEL_OF_OPENAI).id)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_process_has_services_of_its_own(environment: Path, method: str) -> None:
    """Its parent is at work meanwhile, with the same file."""
    made = [warren.responses("hello", MODEL_OF_OPENAI).id]
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_ask_in_child, args=(queue,)) for _ in range(3)]
    working = threading.Event()
    working.set()

    def work() -> None:
        while working.is_set():
            made.append(warren.responses("hello", MODEL_OF_OPENAI).id)

    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(work)
        for child in children:
            child.start()
        made += [queue.get(timeout=60) for _ in children]
        working.clear()
        busy.result()
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0] * 3
    assert {warren.get_responses(one).status for one in made} == {"completed"}
    queue.close()
    queue.join_thread()


def test_the_process_ends_soon_whatever_is_left_open(environment: Path) -> None:
    code = (
        "import warren; s = warren.responses('hello', 'openai/words-200-50', stream=True); print(next(s).response.id)\n"
        "import time; print(time.time())"
    )
    told, at = python(code).split()
    assert time.time() - float(at) < 5
    assert warren.get_responses(told).status in ("cancelled", "failed")


def test_of_many_configurations_the_oldest_rest(
    environment: Path, upstream: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "MOST", 3)
    made = [warren.responses("hello", MODEL_OF_OPENAI, api_key=f"key-{at}") for at in range(6)]
    assert len(HOST._served) == 3
    assert {upstream.calls[-at].headers["authorization"] for at in range(1, 7)} == {
        f"Bearer key-{at}" for at in range(6)
    }
    assert warren.responses("hello", MODEL_OF_OPENAI, api_key="key-0").status == "completed"
    assert warren.get_responses(made[0].id) == made[0]


def test_without_the_extra_there_must_be_a_gateway(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from warren.client import source

    monkeypatch.setattr(source, "entry_points", lambda **_: [])
    source.host.cache_clear()
    try:
        with pytest.raises(warren.APIError, match=r"set WARREN_BASE_URL, or .* pip install 'warren\[embedded\]'"):
            warren.responses("hello", MODEL_OF_OPENAI)
    finally:
        source.host.cache_clear()


def test_the_functions_are_there_by_name() -> None:
    for name in ("responses", "get_responses", "delete_responses", "cancel_responses", "list_input_items",
                 "compact_responses"):  # fmt: skip
        assert getattr(warren, name) is getattr(functions, name)
        assert getattr(warren, f"a{name}") is getattr(functions, f"a{name}")
        assert getattr(warren, name).__doc__
