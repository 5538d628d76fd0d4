"""The bus inside one process. Messages still pass through bytes, and queues are bounded: nothing works by luck."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf

from warren import ids
from warren.bus import DELIVERY_LIMIT, LEDGER_WRITE, Delivery, Depth, Handler, Receiver, dead
from warren.bus._handling import INBOX, Crew, Operation, attempt, log, pause, place, receive, sized
from warren.contracts import Fault, Message, Undecodable, decode, encode
from warren.errors import CallTimeout, Overloaded, RequestTooLarge, Unroutable
from warren.telemetry import headers, instruments

Reply = Callable[[bytes], None]


@dataclass(slots=True)
class Letter:
    """A message under way."""

    body: bytes
    headers: Mapping[str, str]
    reply: Reply | None = None
    expires: float = inf
    returns: int = 0


class MemoryBroker:
    """What the buses of one process share. `length` bounds every queue and every inbox."""

    def __init__(self, *, length: int = 10_000) -> None:
        self.length = length
        self._queues: dict[str, Queue] = {}
        self.boxes: dict[str, Box] = {}
        self.topics: defaultdict[str, dict[Box, None]] = defaultdict(dict)

    @asynccontextmanager
    async def open(self, name: str = "") -> AsyncIterator["MemoryBus"]:
        """A bus of its own address, for one service."""
        with instruments.CONNECTED.told(lambda: [(1,)]):
            yield MemoryBus(self, f"{INBOX}{ids.new(name or 'process')}")

    def queue(self, at: str) -> "Queue":
        queue = self._queues.get(at)
        if queue is None:
            queue = self._queues[at] = Queue(self, at)
        return queue

    def box(self, receiver: Receiver, at: str) -> "Box":
        return Box(receiver, at, self.length)


class Queue:
    """A durable address: letters that wait, and those who take them, in turn."""

    def __init__(self, broker: MemoryBroker, at: str) -> None:
        self.at = at
        self._broker = broker
        self._last = at.startswith("dead.")
        self._length = inf if self._last else broker.length
        self._letters: deque[Letter] = deque()
        self._consumers: deque[Consumer] = deque()

    def put(self, letter: Letter) -> None:
        if len(self._letters) >= self._length and self.depth().ready >= self._length:
            raise Overloaded("The queue is full.", retry_after=1)
        self._letters.append(letter)
        instruments.SENT.add(1, self.at)
        self.deliver()

    def put_back(self, letter: Letter) -> None:
        letter.returns += 1
        if letter.returns > DELIVERY_LIMIT and not self._last:
            self.bury(letter)
        else:
            self._letters.appendleft(letter)
        self.deliver()

    def bury(self, letter: Letter) -> None:
        """Give up on a letter. A question is worth nothing later, and from among the dead there is nowhere to go."""
        if not self._last and not self.at.endswith(".ask"):
            self._broker.queue(dead(self.at)).put(Letter(letter.body, letter.headers))

    def deliver(self) -> None:
        """Start what can be started: waiting letters in order, consumers in turn."""
        while self._letters and (consumer := self._next()):
            letter = self._letters.popleft()
            if letter.expires == inf or letter.expires > asyncio.get_running_loop().time():
                consumer.take(letter)

    def join(self, consumer: "Consumer") -> None:
        self._consumers.append(consumer)
        self.deliver()

    def leave(self, consumer: "Consumer") -> None:
        self._consumers.remove(consumer)

    def depth(self) -> Depth:
        now = asyncio.get_running_loop().time()
        if any(letter.expires <= now for letter in self._letters):
            self._letters = deque(letter for letter in self._letters if letter.expires > now)
        return Depth(ready=len(self._letters), consumers=len(self._consumers))

    def _next(self) -> "Consumer | None":
        for _ in self._consumers:
            self._consumers.rotate(-1)
            if self._consumers[-1].crew.free:
                return self._consumers[-1]
        return None


class Consumer:
    """One `serve`."""

    def __init__(self, queue: Queue, handler: Handler, limit: int) -> None:
        self.crew = Crew(limit, ended=queue.deliver)
        self._queue = queue
        self._handler = handler

    def take(self, letter: Letter) -> None:
        self.crew.start(self._handle(letter))

    async def _handle(self, letter: Letter) -> None:
        try:
            message = decode(letter.body)
        except Undecodable:
            log.error("%s: a message that cannot be decoded is given up", self._queue.at)
            self._queue.bury(letter)
            return
        try:
            delivery = Delivery(message, letter.returns > 0, letter.headers)
            done, answer = await attempt(self._handler, delivery, self._queue.at, called=letter.reply is not None)
            if not done:
                await asyncio.sleep(pause(letter.returns))
        except asyncio.CancelledError:
            self._queue.put_back(letter)
            raise
        if not done:
            self._queue.put_back(letter)
        elif answer is not None and letter.reply is not None:
            letter.reply(encode(answer))


class Box:
    """Letters for one receiver, which gets them in the next turn of the loop. The oldest go when there are too many."""

    def __init__(self, receiver: Receiver, at: str, length: int) -> None:
        self._receiver = receiver
        self._at = at
        self._letters: deque[Letter] = deque(maxlen=length)
        self.open = True

    def put(self, letter: Letter) -> None:
        if not self._letters:
            asyncio.get_running_loop().call_soon(self._empty)
        self._letters.append(letter)
        instruments.SENT.add(1, place(self._at))

    def _empty(self) -> None:
        letters = list(self._letters)
        self._letters.clear()
        for letter in letters:
            if not self.open:
                return
            answer = receive(self._receiver, letter.body, self._at, called=letter.reply is not None)
            if answer is not None and letter.reply is not None:
                letter.reply(encode(answer))


class MemoryBus:
    """The port, for one service among those that share a broker."""

    def __init__(self, broker: MemoryBroker, address: str) -> None:
        self._broker = broker
        self._address = address

    @property
    def address(self) -> str:
        return self._address

    @property
    def connected(self) -> bool:
        return True

    async def send(self, to: str, message: Message, *, timeout: float = 10.0) -> None:  # noqa: ARG002 - nothing to wait for
        with Operation("send", to):
            self._broker.queue(to).put(Letter(sized(message), headers()))

    @asynccontextmanager
    async def serve(self, at: str, handler: Handler, *, limit: int = 1) -> AsyncIterator[None]:
        queue = self._broker.queue(at)
        consumer = Consumer(queue, handler, limit)
        queue.join(consumer)
        try:
            yield
        finally:
            queue.leave(consumer)
            try:
                await consumer.crew.finish()
            except asyncio.CancelledError:
                await consumer.crew.abort()
                raise

    @asynccontextmanager
    async def inbox(
        self,
        receiver: Receiver,
        *,
        restored: Callable[[], None] | None = None,  # noqa: ARG002 - nothing is ever lost here
    ) -> AsyncIterator[None]:
        box = self._broker.boxes[self._address] = self._broker.box(receiver, self._address)
        try:
            yield
        finally:
            box.open = False
            del self._broker.boxes[self._address]

    async def post(self, to: str, message: Message) -> None:
        try:
            body = sized(message)
        except RequestTooLarge:
            log.error("%s: a post of kind %s is too large", to, message.kind)
            return
        if box := self._broker.boxes.get(to):
            box.put(Letter(body, headers()))

    async def call(self, to: str, message: Message, *, timeout: float = 5.0) -> Message:
        with Operation("call", to):
            return await self._call(to, message, timeout)

    async def _call(self, to: str, message: Message, timeout: float) -> Message:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()

        def reply(body: bytes) -> None:
            if not answered.done():
                answered.set_result(body)

        letter = Letter(sized(message), headers(), reply)
        if to.startswith(INBOX):
            if to not in self._broker.boxes:
                raise Unroutable("Nobody is at that address.")
            self._broker.boxes[to].put(letter)
        else:
            if to != LEDGER_WRITE:
                letter.expires = loop.time() + timeout
            self._broker.queue(to).put(letter)
        try:
            async with asyncio.timeout(timeout):
                answer = decode(await answered)
        except TimeoutError:
            raise CallTimeout(f"No answer to {message.kind} within {timeout:g} s.") from None
        if isinstance(answer, Fault):
            raise answer.error()
        return answer

    async def tell(self, topic: str, message: Message) -> None:
        for box in list(self._broker.topics.get(topic, ())):
            box.put(Letter(encode(message), headers()))

    @asynccontextmanager
    async def listen(
        self,
        topics: Iterable[str],
        receiver: Receiver,
        *,
        restored: Callable[[], None] | None = None,  # noqa: ARG002 - nothing is ever lost here
    ) -> AsyncIterator[None]:
        topics = frozenset(topics)
        box = self._broker.box(receiver, "events")
        for topic in topics:
            self._broker.topics[topic][box] = None
        try:
            yield
        finally:
            box.open = False
            for topic in topics:
                del self._broker.topics[topic][box]

    async def depth(self, at: str) -> Depth:
        return self._broker.queue(at).depth()
