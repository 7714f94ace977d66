"""A server to read from, one for each file of tests that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from threads.tests.openai_server import OpenAIServer


@pytest.fixture(scope="module")
def running_server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(running_server: OpenAIServer) -> OpenAIServer:
    """Answers well, has counted no calls and has no files; threads of other tests stay."""
    running_server.heal()
    running_server.forget_calls()
    running_server.files.clear()
    running_server.packed_files.clear()
    return running_server
