"""A small OpenAI-compatible server on 127.0.0.1: what tests read from instead of the world.

It reads and deletes as the API does (conversations, Assistants threads and, as plain lists, any
other store), refuses wrong keys, pages like OpenAI does, counts its calls, and fails on demand.
`python -m threads.tests.openai_server` runs it by hand with one example of each.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "sk-test-0123456789abcdefghij"
Json = dict[str, Any]

_LARGEST_PAGE = 100
_PAGE = 20  # OpenAI's own default


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived; `path` is without the base path, `query` without repeats."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    query_string: str = ""


@dataclass(slots=True)
class Fault:
    """What to do wrong. See `OpenAIServer.fail`."""

    kind: str
    path: str = ""
    left: int | None = None
    every: int = 1
    skip: int = 0
    seen: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def text_item(item_id: str, role: str, text: str, **more: Any) -> Json:
    """Return a conversation's message item."""
    kind = "output_text" if role == "assistant" else "input_text"
    part: Json = {"type": kind, "text": text}
    if role == "assistant":
        part["annotations"] = []
    item: Json = {"id": item_id, "type": "message", "role": role, "status": "completed"}
    return item | {"content": [part]} | more


def thread_message(
    message_id: str, role: str, text: str, *, created_at: int | None, **more: Any
) -> Json:
    """Return a message of an Assistants thread."""
    message: Json = {"id": message_id, "object": "thread.message", "created_at": created_at}
    message |= {"role": role, "assistant_id": None, "run_id": None, "status": "completed"}
    message |= {"attachments": [], "metadata": {}}
    content = [{"type": "text", "text": {"value": text, "annotations": []}}]
    return message | {"content": content} | more


class OpenAIServer:
    """The server; use it as a context manager. `url` is the base URL for a connection.

    `objects` maps a path to what GET answers there; `lists` maps a path to the list that is paged
    there, oldest first. Both may be changed while it runs.
    """

    def __init__(self, *, key: str = KEY, port: int = 0, latency_seconds: float = 0.0) -> None:
        self.key = key
        self.latency_seconds = latency_seconds
        self.objects: dict[str, Json] = {}
        self.lists: dict[str, list[Json]] = {}
        self.files: dict[str, tuple[bytes, str]] = {}  # by path: content and its type
        self.packed_files: set[str] = set()  # those whose content is gzip
        # What begins the paths that it knows; elsewhere it says "Invalid URL" as OpenAI does.
        self.offers = {"conversations", "threads", "assistants", "chatkit", "chat", "responses"}
        self.offers |= {"agents", "models", "files", "containers"}
        self.default_order: dict[str, str] = {}
        self.has_more = "true"  # "never": says false on every page; "unsaid": says nothing
        self.deletes = True  # False: answers 405 to every DELETE
        self.largest_page = _LARGEST_PAGE  # smaller: pages are cut to it without a word
        self.calls: list[Call] = []
        self.most_at_once = 0
        self._at_once = 0
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.lists["/models"] = [{"id": "gpt-test", "object": "model", "created": 1_700_000_000}]
        self.lists["/assistants"] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    # What it holds.

    def add_conversation(
        self,
        conversation_id: str,
        items: Sequence[Json] = (),
        *,
        created_at: int = 1_763_000_000,
        metadata: dict[str, str] | None = None,
    ) -> list[Json]:
        """Add a conversation and return its live list of items."""
        path = f"/conversations/{conversation_id}"
        self.objects[path] = {
            "id": conversation_id,
            "object": "conversation",
            "created_at": created_at,
            "metadata": metadata or {},
        }
        return self._add_list(f"{path}/items", items)

    def add_thread(
        self,
        thread_id: str,
        messages: Sequence[Json] = (),
        *,
        runs: Sequence[Json] = (),
        steps: Mapping[str, Sequence[Json]] | None = None,
        created_at: int | None = 1_763_000_000,
        metadata: dict[str, str] | None = None,
    ) -> list[Json]:
        """Add an Assistants thread and return its live list of messages.

        `steps` are by the id of their run.
        """
        path = f"/threads/{thread_id}"
        self.objects[path] = {
            "id": thread_id,
            "object": "thread",
            "created_at": created_at,
            "metadata": metadata or {},
            "tool_resources": {},
        }
        self._add_list(f"{path}/runs", runs)
        for run_id, given in (steps or {}).items():
            self._add_list(f"{path}/runs/{run_id}/steps", given)
        return self._add_list(f"{path}/messages", messages)

    def add_listed(
        self, store_path: str, part: str, thread: Json, items: Sequence[Json] = ()
    ) -> list[Json]:
        """Add a thread to a store that lists its threads; return its live list of items.

        `part` is what the store calls the items in its addresses: "items", "messages", …
        """
        self.lists.setdefault(store_path, []).append(thread)
        self.objects[f"{store_path}/{thread['id']}"] = thread
        return self._add_list(f"{store_path}/{thread['id']}/{part}", items)

    def add_file(self, path: str, content: bytes, content_type: str = "image/png") -> None:
        """Add a file; `path` is "/files/file-1" or "/containers/cntr_1/files/cfile_1"."""
        self.files[f"{path}/content"] = (content, content_type)

    def _add_list(self, path: str, items: Sequence[Json]) -> list[Json]:
        self.lists[path] = list(items)
        return self.lists[path]

    def remove(self, path: str) -> None:
        """Take away everything at `path` and below it."""
        for table in (self.objects, self.lists):
            for known in [known for known in table if (known + "/").startswith(path + "/")]:
                table.pop(known)

    # What it does wrong.

    def fail(
        self,
        kind: str,
        *,
        path: str = "",
        times: int | None = None,
        every: int = 1,
        skip: int = 0,
        headers: dict[str, str] | None = None,
        seconds: float = 0.0,
    ) -> None:
        """From now on, do something wrong where the path contains `path`.

        `kind`: a status (`"401"`, `"403"`, `"404"`, `"429"`, `"500"`, any other), `"quota"` (429,
        insufficient_quota), `"html"`, `"html404"`, `"truncated"` (JSON cut in half),
        `"dropped"` (the connection ends within the body), `"shape"` (a JSON list), `"empty"`,
        `"redirect"`,
        `"endless"` (the first page for ever, has_more true), `"slow"` (waits `seconds` first,
        then answers properly). `times`: this often, then never more. `every`: each n-th call only.
        `skip`: leaves the first n calls alone. `headers` go with the answer: Retry-After.
        """
        fault = Fault(kind, path, times, every, skip, headers=headers or {}, seconds=seconds)
        with self._lock:
            self._faults.append(fault)

    def heal(self) -> None:
        """Do nothing wrong any more."""
        with self._lock:
            self._faults.clear()

    def _fault_for(self, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.path not in path or fault.left == 0:
                continue
            fault.seen += 1
            if fault.seen <= fault.skip or (fault.seen - fault.skip) % fault.every:
                continue
            if fault.left is not None:
                fault.left -= 1
            return fault
        return None

    def count(self, path: str = "") -> int:
        """Return how many calls came whose path contains `path`."""
        with self._lock:
            return sum(path in call.path for call in self.calls)

    def forget_calls(self) -> None:
        with self._lock:
            self.calls.clear()

    # Answers.

    @contextlib.contextmanager
    def _noted(self, call: Call) -> Iterator[Fault | None]:
        with self._lock:
            self.calls.append(call)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self._fault_for(call.path)
        try:
            yield fault
        finally:
            with self._lock:
                self._at_once -= 1

    @staticmethod
    def encode(answer: Json) -> str:
        """Return the text in which the server sends this."""
        return json.dumps(answer)

    def _answer(self, call: Call, *, endless: bool = False) -> tuple[int, Json]:
        given = call.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key not in (given, call.headers.get("api-key")):
            return _error(401, f"Incorrect API key provided: {given}.", code="invalid_api_key")
        if call.method == "DELETE" and self.deletes:
            if call.path in self.objects:
                return self._delete(call.path)
            owner, _, name = call.path.rpartition("/")
            kept = [item for item in self.lists.get(owner, []) if item.get("id") != name]
            if len(kept) < len(self.lists.get(owner, [])):
                self.lists[owner][:] = kept
                return 200, {"id": name, "object": "conversation"}
        if call.method != "GET" and not (call.method == "DELETE" and self.deletes):
            return _error(405, f"Not allowed to {call.method} on {call.path}.")
        if call.path in self.lists:
            return self._page(call, endless=endless)
        if call.path in self.objects:
            return 200, self.objects[call.path]
        parent, _, name = call.path.rpartition("/")
        if parent.strip("/").split("/")[0] in self.offers:
            return _error(404, f"No object found with id '{name}'.")
        return _error(404, f"Invalid URL ({call.method} /v1{call.path})")

    def _delete(self, path: str) -> tuple[int, Json]:
        """Forget an object. A conversation's items stay until they are deleted, as at OpenAI."""
        gone = self.objects.pop(path)
        parent, _, name = path.rpartition("/")
        for known in [known for known in self.lists if known.startswith(path + "/")]:
            if not path.startswith("/conversations/"):
                self.lists.pop(known)
        if parent in self.lists:
            self.lists[parent] = [each for each in self.lists[parent] if each.get("id") != name]
        return 200, {"id": gone.get("id"), "object": "deleted", "deleted": True}

    def _page(self, call: Call, *, endless: bool) -> tuple[int, Json]:
        try:
            limit = int(call.query.get("limit", _PAGE))
        except ValueError:
            return _error(400, "Invalid 'limit'.", param="limit")
        if not 1 <= limit <= _LARGEST_PAGE:
            return _error(400, f"Invalid 'limit': {limit}, expected 1 to 100.", param="limit")
        items = list(self.lists[call.path])
        if call.query.get("order", self.default_order.get(call.path, "desc")) == "desc":
            items.reverse()
        after = call.query.get("after")
        if after is not None and not endless:
            ids = [item.get("id") for item in items]
            if after not in ids:
                return _error(404, f"No item found with id '{after}'.", param="after")
            items = items[ids.index(after) + 1 :]
        limit = min(limit, self.largest_page)
        page = items[:limit]
        answer: Json = {"object": "list", "data": page}
        answer["first_id"] = page[0].get("id") if page else None
        answer["last_id"] = page[-1].get("id") if page else None
        if self.has_more != "unsaid":
            answer["has_more"] = endless or (self.has_more == "true" and len(items) > limit)
        return 200, answer


def _error(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> tuple[int, Json]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return status, {"error": {"message": message, "type": kind, "param": param, "code": code}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: OpenAIServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # One segment per answer: without it every answer waits 40 ms for the client's ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the tests read `calls`."""

    def _call(self) -> Call:
        address = urlsplit(self.path)
        path = unquote(address.path)
        for base in ("/v1", "/openai/v1", "/openai"):
            if path.startswith(base + "/"):
                path = path.removeprefix(base)
                break
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Call(self.command, path, query, headers, address.query)

    def _send(self, status: int, body: bytes, kind: str, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", more.pop("length", str(len(body))))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_fault(self, fault: Fault, owner: OpenAIServer, call: Call) -> None:
        html = b"<!doctype html><title>Sign in</title><p>Welcome to the proxy."
        is_cut = fault.kind in {"truncated", "dropped"}  # a refused DELETE must delete nothing
        body = json.dumps(owner._answer(call)[1]).encode() if is_cut else b""
        match fault.kind:
            case "html":
                self._send(200, html, "text/html", **fault.headers)
            case "html404":
                self._send(404, html, "text/html", **fault.headers)
            case "truncated":
                self._send(200, body[: len(body) // 2], "application/json", **fault.headers)
            case "dropped":
                self._send(
                    200, body[: len(body) // 2], "application/json", length=str(len(body) + 9)
                )
                self.close_connection = True
            case "shape":
                self._send(200, b'["not", "a", "page"]', "application/json")
            case "empty":
                self._send(200, b"", "application/json")
            case "redirect":
                place = f"http://127.0.0.1:{owner.port}/v1/stolen"
                self._send(302, b"", "text/plain", **({"Location": place} | fault.headers))
            case "quota":
                message = "You exceeded your current quota, please check your plan and billing."
                answer = _error(429, message, code="insufficient_quota")[1]
                self._send(429, json.dumps(answer).encode(), "application/json", **fault.headers)
            case status:
                answer = _error(int(status), f"Made to fail with {status}.")[1]
                encoded = json.dumps(answer).encode()
                self._send(int(status), encoded, "application/json", **fault.headers)

    def _handle(self) -> None:
        owner, call = self.server.owner, self._call()
        with owner._noted(call) as fault, contextlib.suppress(ConnectionError):
            time.sleep(owner.latency_seconds + (fault.seconds if fault else 0.0))
            if fault is not None and fault.kind not in {"slow", "endless"}:
                self._send_fault(fault, owner, call)
                return
            status, answer = owner._answer(call, endless=fault is not None)
            if call.path in owner.files and status != 401:
                packed = {"Content-Encoding": "gzip"} if call.path in owner.packed_files else {}
                content, kind = owner.files[call.path]
                self._send(200, content, kind, **packed)
                return
            headers = {"x-request-id": f"req_{len(owner.calls)}"}
            self._send(status, owner.encode(answer).encode(), "application/json", **headers)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _handle  # noqa: N815 - the base class decides


def main() -> None:
    """Serve one example of each store on port 8765 until interrupted."""
    with OpenAIServer(port=8765) as server:
        items = [
            text_item("msg_1", "user", "Where is my parcel?"),
            text_item("msg_2", "assistant", "It left the warehouse this morning."),
        ]
        server.add_conversation("conv_example", items, metadata={"title": "A lost parcel"})
        message = thread_message("msg_3", "user", "Can I pay by card?", created_at=1_763_000_100)
        server.add_thread("thread_example", [message])
        print(f"Base URL {server.url}, key {server.key}: conv_example, thread_example")  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
