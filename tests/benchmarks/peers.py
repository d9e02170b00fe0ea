"""The other ways to send N PUTs, one a process: `python -m tests.benchmarks.peers WHICH URL ROWS`.

WHICH is `bare` (an aiohttp loop that does nothing else), `sdk` (the official client in threads) or
`sdk-async` (its own asynchronous client). Each ends with 1 if one reply is not a 200.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.benchmarks.fleet import AK, BODY, CLIENT_PORT_AFTER, REGION, SK, project_id, service_id

IN_FLIGHT = 50
OK = 200


def bare(url: str, rows: int) -> None:
    """Send with aiohttp under uvloop: bytes in, read() out, tuned like `bulk` itself."""
    import uvloop  # noqa: PLC0415 - each peer loads only what it is

    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    uvloop.run(_bare(url, rows))


async def _bare(url: str, rows: int) -> None:
    import aiohttp  # noqa: PLC0415
    from yarl import URL  # noqa: PLC0415

    path = f"{url}/v1/{project_id(0)}/vpc-endpoint-services/"
    headers = {"Content-Type": "application/json", "X-Project-Id": project_id(0)}

    async def work(numbers: Iterator[int]) -> None:
        for number in numbers:
            target = URL(path + service_id(number), encoded=True)
            async with session.put(target, data=BODY, headers=headers) as response:
                await response.read()
                response.raise_for_status()

    numbers = iter(range(rows))
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
        asyncio.TaskGroup() as workers,
    ):
        for _ in range(min(IN_FLIGHT, rows)):
            workers.create_task(work(numbers))


def sdk(url: str, rows: int) -> None:
    """Send with the official client, one thread for each request in flight."""
    update = _client(url, "VpcepClient").update_endpoint_service
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        for _ in threads.map(lambda number: update(_request(number)), range(rows)):
            pass


def sdk_async(url: str, rows: int) -> None:
    """Send with the official asynchronous client, whose number of threads is its own."""
    update = _client(url, "VpcepAsyncClient").update_endpoint_service_async
    waiting = [update(_request(number)) for number in range(rows)]
    for reply in waiting:
        assert reply.result().status_code == OK


def _client(url: str, kind: str) -> Any:
    import huaweicloudsdkvpcep.v1 as api  # noqa: PLC0415
    from huaweicloudsdkcore.auth.credentials import BasicCredentials  # noqa: PLC0415
    from huaweicloudsdkcore.http.http_config import HttpConfig  # noqa: PLC0415
    from huaweicloudsdkcore.region.region import Region  # noqa: PLC0415

    config = HttpConfig(ignore_ssl_verification=True)
    build = getattr(api, kind).new_builder().with_http_config(config)
    build = build.with_credentials(BasicCredentials(AK, SK, project_id(0)))
    return build.with_region(Region(REGION, url)).build()


def _request(number: int) -> Any:
    import huaweicloudsdkvpcep.v1 as api  # noqa: PLC0415

    ports = [
        api.PortList(client_port=80, server_port=8080, protocol="TCP"),
        api.PortList(client_port=CLIENT_PORT_AFTER, server_port=9443, protocol="TCP"),
    ]
    body = api.UpdateEndpointServiceRequestBody(ports=ports)
    return api.UpdateEndpointServiceRequest(vpc_endpoint_service_id=service_id(number), body=body)


PEERS: dict[str, Callable[[str, int], None]] = {"bare": bare, "sdk": sdk, "sdk-async": sdk_async}

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
