"""A real nats-server for the tests: on a free port of loopback, ended by its process id."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

PROGRAM = Path(sys.executable).parent / "nats-server"
START_S, LOOK_S = 20.0, 0.01


@contextmanager
def nats_server(folder: Path, settings: str = "", *, port: int = -1) -> Iterator[str]:
    """Run a nats-server with these settings beside its address; yield `nats://127.0.0.1:PORT`."""
    folder.mkdir(exist_ok=True)
    config = folder / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\nports_file_dir: "{folder}"\n{settings}\n')
    with (folder / "nats.log").open("ab") as log:
        server = subprocess.Popen([PROGRAM, "--config", config], stdout=log, stderr=log)
    try:
        yield _url_of(server, folder)
    finally:
        server.kill()
        server.wait()


def _url_of(server: subprocess.Popen[bytes], folder: Path) -> str:
    """Return where it listens, which it writes down once it does."""
    ports, until = folder / f"nats-server_{server.pid}.ports", time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        if ports.exists() and (text := ports.read_bytes()).endswith(b"}"):
            return f"nats://127.0.0.1:{orjson.loads(text)['nats'][0].rpartition(':')[2]}"
        time.sleep(LOOK_S)
    raise AssertionError((folder / "nats.log").read_text())
