"""Whatever stands in a ChatGPT export or an array of JSON: a named problem, never an error."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threads.imports import json_stream
from threads.imports.json_stream import NotJSON, elements
from threads.tests.chatgpt import read


def _json_values() -> st.SearchStrategy[Any]:
    leaf = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
    )
    return st.recursive(
        leaf, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8
    )


@st.composite
def _strange_nodes(draw: st.DrawFn) -> dict[str, Any]:
    names = st.sampled_from(["a", "b", "c", "d"])
    mapping = {}
    for name in draw(st.lists(names, unique=True)):
        message = draw(
            st.none()
            | _json_values()
            | st.fixed_dictionaries(
                {},
                optional={
                    "id": names | _json_values(),
                    "author": st.fixed_dictionaries({"role": st.text()}) | _json_values(),
                    "create_time": _json_values(),
                    "content": st.fixed_dictionaries(
                        {"content_type": st.sampled_from(["text", "thoughts", "multimodal_text"])},
                        optional={"parts": _json_values(), "thoughts": _json_values()},
                    )
                    | _json_values(),
                    "metadata": st.dictionaries(
                        st.sampled_from(["attachments", "citations", "content_references"]),
                        _json_values(),
                    )
                    | _json_values(),
                    "status": _json_values(),
                    "recipient": _json_values(),
                },
            )
        )
        fields = {"parent": names | _json_values(), "children": st.lists(names) | _json_values()}
        mapping[name] = draw(st.fixed_dictionaries({}, optional=fields)) | {"message": message}
    top = {"current_node": names | _json_values(), "title": _json_values(), "id": _json_values()}
    return {"mapping": mapping} | draw(st.fixed_dictionaries({}, optional=top))


@settings(max_examples=150, deadline=None)
@given(talk=_strange_nodes())
def test_it_brings_every_message_once_or_says_which_it_left_out(
    talk: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("strange") / "conversations.json"
    path.write_text(json.dumps([talk]), "utf-8")

    threads, problems = read(path)

    (item,) = threads
    identities = [message.remote_id for message in item.messages]
    given_messages = [n for n in talk["mapping"].values() if n["message"] is not None]
    assert len(identities) == len(set(identities))
    assert len(identities) == len(given_messages) or problems


@settings(max_examples=200, deadline=None)
@given(values=st.lists(_json_values()), size=st.integers(1, 40), data=st.data())
def test_it_cuts_arrays_at_any_chunk(values: list[Any], size: int, data: st.DataObject) -> None:
    text = json.dumps(values, ensure_ascii=data.draw(st.booleans()), indent=1).encode(
        "utf-8", "surrogatepass"
    )
    before, json_stream._CHUNK = json_stream._CHUNK, size
    try:
        found = [each for each in elements(io.BytesIO(text)) if isinstance(each, bytes)]
    finally:
        json_stream._CHUNK = before

    assert [json.loads(each.decode("utf-8", "surrogatepass")) for each in found] == values


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=60) | st.text(alphabet='[]{},"\\ a1:').map(str.encode))
def test_it_always_comes_to_an_end(text: bytes) -> None:
    found = list(elements(io.BytesIO(text)))

    assert all(isinstance(each, bytes | NotJSON) for each in found)
