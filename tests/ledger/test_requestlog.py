"""Each request leaves a line, at every sink, whatever becomes of those who write it."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import openai
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.ledger.making import ACCOUNT, Clock, call
from tests.ledger.test_charges import NOON, PAYER, ended
from warren.outbound import Outbound, Reach, outbound
from warren.sinks import Sink
from warren_ledger.counting import Counting
from warren_ledger.requestlog import RequestLog
from warren_ledger.store import Store
from warren_ledger.store.entries import Entry

pytestmark = pytest.mark.anyio

SECRET = b"0123456789abcdef0123456789abcdef"


class Receiver:
    """A server that takes what is posted, or does not."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status: Callable[[], int] = lambda: 200
        self.url = ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [line for _, body in self.got for line in json.loads(body)["data"]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.status()
            if status == 200:
                receiver.got.append((dict(self.headers.items()), body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/in"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
async def out(anyio_backend: str) -> AsyncIterator[Outbound]:
    async with outbound(Reach.of(["127.0.0.1"])) as made:
        yield made


def webhook(receiver: Receiver, **changes: Any) -> Sink:
    return Sink("https://siem.example/in", "webhook", receiver.url, secret=SECRET, **changes)


async def logged(store: Store, clock: Clock, *sinks: Sink, content: tuple[str, ...] = ()) -> RequestLog:
    """Have counted, and told, what the store has."""
    requests = RequestLog(store, sinks, content, clock)
    counting = Counting(store, clock, requests.told)
    while await counting.count():
        pass
    return requests


async def left(store: Store) -> list[Entry]:
    return await store.entries.page("outbox")


async def test_a_line_tells_all_but_what_was_said(store: Store, clock: Clock, tmp_path: Path) -> None:
    await store.entries.put(Entry(shelf="virtual_keys", id="key_1", state={"alias": "of finance"}, names=("key_1",)))
    one = ended(None, call("a.1", Decimal("0.1")), call("a.2", Decimal("0.00000000025")))
    unknown = ended(None, call("b.1", None), status="failed", error="upstream_error")
    await store.put([one, unknown])
    await logged(store, clock, Sink("file", "file", str(tmp_path / "log")))
    lines = {line["response_id"]: line for line in map(json.loads, (tmp_path / "log").read_text().splitlines())}
    assert set(lines) == {one.response_id, unknown.response_id}
    line = lines[one.response_id]
    assert (line["account"], line["key"], line["key_alias"], line["user"]) == (ACCOUNT, "key_1", "of finance", "alice")
    assert (line["tags"], line["status"], line["attempt"]) == (["x", "y"], "completed", "a")
    assert (line["model"], line["deployment"], line["provider"]) == ("gpt", "openai/gpt", "openai")
    assert (line["input_tokens"], line["output_tokens"], line["spend"]) == (4, 6, "0.10000000025")
    assert (line["created_at"], line["ended_at"]) == (NOON, one.ended_at)
    assert [made["id"] for made in line["calls"]] == ["a.1", "a.2"]
    assert (lines[unknown.response_id]["spend"], lines[unknown.response_id]["error"]) == (None, "upstream_error")
    assert "out resp_" not in str(lines)
    assert "in resp_" not in str(lines)


async def test_stdout_has_a_line_of_json(store: Store, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    await store.put([ended(None)])
    await logged(store, clock, Sink("stdout", "stdout"))
    assert json.loads(capsys.readouterr().out)["status"] == "completed"


async def test_content_is_told_of_accounts_that_are_named(store: Store, clock: Clock, tmp_path: Path) -> None:
    mine, other, unstored = ended(None), ended(None, account="other"), ended(None, store=False)
    await store.put([mine, other, unstored])
    await logged(store, clock, Sink("file", "file", str(tmp_path / "log")), content=(ACCOUNT,))
    lines = {line["response_id"]: line for line in map(json.loads, (tmp_path / "log").read_text().splitlines())}
    assert mine.response_id in lines[mine.response_id]["input"]
    assert json.loads(lines[mine.response_id]["output"])["id"] == mine.response_id
    for one in (other, unstored):
        assert "input" not in lines[one.response_id]


async def test_a_webhook_is_signed_so_that_openais_sdk_believes_it(
    store: Store, clock: Clock, receiver: Receiver, out: Outbound
) -> None:
    await store.put([ended(None)])
    await (await logged(store, clock, webhook(receiver))).post(out)
    [(headers, body)] = receiver.got
    secret = f"whsec_{base64.b64encode(SECRET).decode()}"
    client = openai.OpenAI(api_key="k", webhook_secret=secret)
    client.webhooks.verify_signature(body, headers)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(body + b" ", headers)
    assert json.loads(body)["type"] == "requests"
    assert await left(store) == []


async def test_what_a_webhook_does_not_take_comes_again(
    store: Store, clock: Clock, receiver: Receiver, out: Outbound
) -> None:
    made = [ended(None) for _ in range(1200)]
    for at in range(0, 1200, 300):
        await store.put(made[at : at + 300])
    answers = iter([500, 429, 200, 503])
    receiver.status = lambda: next(answers, 200)
    requests = await logged(store, clock, webhook(receiver))
    for _ in range(10):
        await requests.post(out)
        clock.ahead += 700
    assert sorted(line["response_id"] for line in receiver.lines) == sorted(one.response_id for one in made)
    assert await left(store) == []


async def test_who_is_away_is_waited_for_by_another_ledger(store: Store, clock: Clock, out: Outbound) -> None:
    one = ended(None)
    await store.put([one])
    with receiving() as gone:
        away = webhook(gone)
    await (await logged(store, clock, away)).post(out)
    assert len(await left(store)) == 1
    with receiving() as back:
        clock.ahead += 700
        await RequestLog(store, [webhook(back)], now=clock).post(out)
        assert [line["response_id"] for line in back.lines] == [one.response_id]
    assert await left(store) == []


async def test_two_ledgers_do_not_post_the_same_at_a_time(
    store: Store, clock: Clock, receiver: Receiver, out: Outbound
) -> None:
    await store.put([ended(None)])
    requests = await logged(store, clock, webhook(receiver))
    other = RequestLog(store, [webhook(receiver)], now=clock)
    await requests.post(out)
    await other.post(out)
    assert len(receiver.got) == 1


async def test_a_sink_may_want_failures_only(store: Store, clock: Clock, receiver: Receiver, out: Outbound) -> None:
    failed = ended(None, status="failed")
    await store.put([ended(None), failed])
    await (await logged(store, clock, webhook(receiver, others=False))).post(out)
    assert [line["response_id"] for line in receiver.lines] == [failed.response_id]


async def test_opentelemetry_is_spoken(store: Store, clock: Clock, receiver: Receiver, out: Outbound) -> None:
    one = ended(None, call("a.1", Decimal("0.25")), ended_at=NOON + 2.5)
    await store.put([one])
    sinks = [Sink("otlp", "logs", receiver.url), Sink("langfuse", "spans", receiver.url, {"authorization": "Basic x"})]
    await (await logged(store, clock, *sinks)).post(out)
    bodies = {headers.get("authorization"): body for headers, body in receiver.got}
    logs, spans = ExportLogsServiceRequest(), ExportTraceServiceRequest()
    logs.ParseFromString(bodies[None])
    spans.ParseFromString(bodies["Basic x"])
    [record] = logs.resource_logs[0].scope_logs[0].log_records
    said = {one.key: one.value for one in record.attributes}
    assert said["response_id"].string_value == one.response_id
    assert said["spend"].string_value == "0.25"
    [span] = spans.resource_spans[0].scope_spans[0].spans
    told = {one.key: one.value for one in span.attributes}
    assert (span.end_time_unix_nano - span.start_time_unix_nano) == 2_500_000_000
    assert told["gen_ai.usage.input_tokens"].int_value == told["llm.token_count.prompt"].int_value == 2
    assert told["user.id"].string_value == PAYER.end_user
    assert span.trace_id == record.trace_id
