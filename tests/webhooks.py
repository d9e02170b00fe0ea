"""Servers that are sent messages: they keep what came and answer as each test says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import orjson

from tests.scenarios.stage import Stage, until

TAKEN = b'{"code":0,"errcode":0}'


@dataclass
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)


@dataclass
class Webhook:
    """A server on this machine; `answer` returns HTTP status and body of a request."""

    answer: Callable[[Got], tuple[int, bytes]] = lambda _: (200, TAKEN)
    got: list[Got] = field(default_factory=list)
    url: str = ""
    may_answer: Event = field(default_factory=Event)
    """Without it, a request is taken in and never answered, as by a black hole."""

    def texts(self) -> list[str]:
        """Return what bots were sent."""
        return [
            got.json.get("text", got.json.get("content"))["content" if "text" in got.json else "text"]
            for got in self.got
        ]


@contextmanager
def webhook(
    answer: Callable[[Got], tuple[int, bytes]] = lambda _: (200, TAKEN), *, is_silent: bool = False
) -> Iterator[Webhook]:
    """Run a server; with `is_silent` it answers nobody before the block ends."""
    hook = Webhook(answer=answer)
    if not is_silent:
        hook.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(path=self.path, headers=dict(self.headers.items()), body=body)
            hook.got.append(got)
            hook.may_answer.wait()
            http, content = hook.answer(got)
            self.send_response(http)
            if http in {301, 302, 307}:
                self.send_header("Location", hook.url + "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hook
        finally:
            hook.may_answer.set()
            server.shutdown()
            thread.join()


def outbox_lines(stage: Stage) -> list[dict[str, Any]]:
    """Return the lines of all outboxes of a stage."""
    return [
        orjson.loads(line)
        for path in stage.folder.rglob("*.notices.jsonl")
        for line in path.read_bytes().splitlines()
    ]


def carried(stage: Stage) -> list[dict[str, Any]]:
    """Return the lines of the outbox once it is known what became of every message that left."""

    def is_known() -> bool:
        ends = {line["id"] for line in outbox_lines(stage) if "delivered" in line or "failed" in line}
        return {line["id"] for line in outbox_lines(stage)} == ends

    until(is_known)
    return outbox_lines(stage)
