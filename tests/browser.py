"""A headless Chromium, driven over the DevTools protocol: what a person sees, clicks and prints."""

import shutil
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

CHROMIUM = shutil.which("chromium")
IS_NEEDED = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


@dataclass
class Page:
    """One tab."""

    socket: ClientWebSocketResponse
    events: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return a command's result; events that come before it are kept."""
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": parameters}
        await self.socket.send_str(orjson.dumps(command).decode())
        while True:
            message = orjson.loads((await self.socket.receive()).data)
            if message.get("id") == self.sent:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    async def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def load(self, url: str, *, width: int = 1440, height: int = 900) -> None:
        """Load a page in a window of that size."""
        await self.resize(width, height)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        await self.js(
            "new Promise(loaded => document.readyState === 'complete' ? loaded() : onload = () => loaded())"
        )

    async def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)

    async def dark(self, *, is_dark: bool) -> None:
        """Let the page be shown in dark or in light colours."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path) -> None:
        """Write what the page looks like, all of it, as PNG."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(b64decode(shot["data"]))  # noqa: ASYNC240 - nothing else goes on

    def complaints(self) -> list[dict[str, Any]]:
        """Return every error the page caused, a breach of its own policy among them."""
        return [
            event for event in self.events if event["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}
        ]

    def requests(self) -> set[str]:
        """Return every address the page asked for."""
        asked = (event for event in self.events if event["method"] == "Network.requestWillBeSent")
        return {event["params"]["request"]["url"] for event in asked}


@contextmanager
def chromium(profile: Path) -> Iterator[str]:
    """Yield the address of a running browser's DevTools."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:
        assert browser.stderr is not None
        listening = next(line for line in browser.stderr if "DevTools listening" in line)
        yield listening.split("ws://")[1].split("/")[0]
        browser.terminate()
        browser.communicate()


@asynccontextmanager
async def new_tab(devtools: str) -> AsyncIterator[ClientWebSocketResponse]:
    """Yield the connection of a new tab."""
    async with ClientSession() as session:
        async with session.put(f"http://{devtools}/json/new?about:blank") as answer:
            tab = await answer.json()
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            yield socket
