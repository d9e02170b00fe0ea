"""A connection that this machine has no room for: told apart, however the failure shows."""

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import Mock

import aiohttp
import pytest

from bulk.vpcep.codes import NoReply
from bulk.vpcep.replies import Lost
from bulk.vpcep.shortage import PIPES, SHORTAGES, is_short
from tests.contract.test_wire import OK, opened, saying, send, serving

TOWARDS = Mock(host="h", port=443, ssl=True)
NAMELESS = aiohttp.ClientConnectorDNSError(TOWARDS, socket.gaierror(socket.EAI_AGAIN, "try again"))
SILENT = [
    NAMELESS,
    aiohttp.ClientConnectorDNSError(TOWARDS, OSError(errno.EBUSY, "busy")),
    aiohttp.ClientConnectorCertificateError(TOWARDS, ssl.SSLCertVerificationError("no local issuer")),
    aiohttp.ClientConnectorSSLError(TOWARDS, ssl.SSLError("no")),
    aiohttp.ClientConnectorError(TOWARDS, OSError("Multiple exceptions: [Errno 24], [Errno 99]")),
]
"""Failures that may have come of a file that could not be opened, and do not say so."""
OTHERS = [
    aiohttp.ClientConnectorError(TOWARDS, OSError(errno.ECONNREFUSED, "refused")),
    aiohttp.ClientConnectorError(TOWARDS, OSError(errno.EHOSTUNREACH, "no route")),
    aiohttp.ConnectionTimeoutError(),
    TimeoutError(),
]


@contextmanager
def open_files_left(left: int) -> Iterator[None]:
    """Let this process open so many more files while the block runs."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        files: list[int] = []
        try:
            while True:
                files.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        for file in files[left:]:
            opened.callback(os.close, file)
        for file in files[:left]:
            os.close(file)
        yield


@pytest.mark.parametrize("number", sorted(SHORTAGES))
def test_an_error_that_names_a_shortage_is_one(number: int) -> None:
    """Open files of the process, of the machine; memory; ports."""
    for error in (OSError(number, "no"), aiohttp.ClientConnectorError(TOWARDS, OSError(number, "no"))):
        assert is_short(error)
    assert is_short(aiohttp.ClientConnectorDNSError(TOWARDS, OSError(number, "no")))


@pytest.mark.parametrize("left", range(2 * PIPES))
@pytest.mark.parametrize("error", SILENT, ids=lambda error: type(error).__name__)
def test_an_error_that_does_not_say_so_is_a_shortage_where_there_is_one(error: OSError, left: int) -> None:
    """A name cannot be looked up, nor a certificate checked, without opening files."""
    with open_files_left(left):
        assert is_short(error)
    assert not is_short(error)


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
def test_a_server_that_is_not_there_is_no_shortage(error: BaseException) -> None:
    """However few files are left."""
    with open_files_left(0):
        assert not is_short(error)


async def test_asking_costs_no_files() -> None:
    """What was opened to find out is closed again."""
    with open_files_left(2 * PIPES):
        for _ in range(100):
            assert not is_short(NAMELESS)


async def test_a_request_that_there_is_no_room_for_has_surely_not_left() -> None:
    """It is lost before sending, by a code of its own; with room, the next one leaves."""
    async with serving(saying(OK)) as (server, url), opened() as wire:
        with open_files_left(0):
            got = await send(wire, url)
            await asyncio.sleep(0)
        assert isinstance(got, Lost)
        assert (got.code, got.sent, got.hopeless) == (NoReply.LOCAL_LIMIT, False, False)
        assert "Too many open files" in got.message
        assert not server.requests
        assert not isinstance(await send(wire, url), Lost)
