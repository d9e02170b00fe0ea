"""botocore's adaptive retry mode as a client of this API, and the pace beside it.

`python -m tests.benchmarks.adaptive` runs each limit that the pace must keep to on a real server, the pace
and botocore in turn, in about 40 minutes, and prints a table (`tests/benchmarks/shapes.py`); a word takes
those that have it in their name. `python -m tests.benchmarks.adaptive URL ROWS SECONDS` is botocore alone: it
ends after so many seconds, done or not.

Only its limiter is a peer here: each PUT asks it when to leave and tells it what came of it, and a refused
one is sent again, as its retry handler does. Prints one line a reply: seconds since 1970, and 1 where it was
refused.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Lock, Timer, local
from typing import Any
from urllib.parse import urlsplit

from botocore.retries import bucket, throttling
from botocore.retries.adaptive import ClientRateLimiter, RateClocker

from bulk.vpcep.keys import KeyPair, Stamp
from bulk.vpcep.requests import Request, services_path
from tests.benchmarks.fleet import AK, BODY, SK, project_id, service_id

THREADS = 50
OK = 200
ARGUMENTS = 4


class Refusals:
    """Knows a refusal when it sees one, as botocore asks."""

    def is_throttling_error(self, *, refused: bool, **_: Any) -> bool:
        """Return whether it was one."""
        return refused


def limiter() -> ClientRateLimiter:
    """Return botocore's limiter as it is put together there."""
    clock = bucket.Clock()
    return ClientRateLimiter(
        rate_adjustor=throttling.CubicCalculator(starting_max_rate=0, start_time=clock.current_time()),
        rate_clocker=RateClocker(clock),
        token_bucket=bucket.TokenBucket(max_rate=1, clock=clock),
        throttling_detector=Refusals(),
        clock=clock,
    )


class Sender:
    """Sends rows, each until it is accepted."""

    def __init__(self, url: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._limiter = limiter()
        self._own = local()
        self._said = Lock()
        headers = {"Content-Type": "application/json", "Host": self._netloc, "X-Project-Id": project_id(0)}
        self._stamp = Stamp(KeyPair(ak=AK, sk=SK), headers)

    def __call__(self, number: int) -> None:
        """Send one row."""
        path = f"{services_path(project_id(0))}/{service_id(number)}"
        request, accepted = Request(method="PUT", path=path, body=BODY), False
        while not accepted:
            self._limiter.on_sending_request(request=None)
            accepted = self._put(request)
            self._limiter.on_receiving_response(refused=not accepted)
            with self._said:
                sys.stdout.write(f"{time.time()} {int(not accepted)}\n")

    def _put(self, request: Request) -> bool:
        if not hasattr(self._own, "connection"):
            self._own.connection = HTTPConnection(self._netloc, timeout=60)
        connection = self._own.connection
        headers = self._stamp.headers(request, time.time())
        connection.request(request.method, request.path, body=request.body, headers=headers)
        reply = connection.getresponse()
        reply.read()
        return bool(reply.status == OK)

    def end(self) -> None:
        """Print what is left to print, and leave at once: some requests wait for their turn for minutes."""
        with self._said:
            sys.stdout.flush()
            os._exit(0)


def run(url: str, rows: int, seconds: float) -> None:
    """Send so many rows, for so long at most."""
    sender = Sender(url)
    timer = Timer(seconds, sender.end)
    timer.daemon = True
    timer.start()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(sender, range(rows)))


if __name__ == "__main__":
    if len(sys.argv) == ARGUMENTS:
        run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    else:
        from tests.benchmarks.shapes import main

        sys.exit(main(*sys.argv[1:]))
