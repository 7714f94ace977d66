"""Log lines hold no secret, whatever somebody put into them."""

from __future__ import annotations

import json
import logging

import pytest

from threadhub.lib import logs

SECRETS = [
    pytest.param("key sk-proj-abc_DEF-1234567890 refused", "sk-proj", id="OpenAI key"),
    pytest.param("key sk-admin-0123456789abcdef", "sk-admin", id="admin key"),
    pytest.param("Incorrect API key provided: sk-abc*****wxyz.", "wxyz", id="masked key"),
    pytest.param("Authorization: Bearer eyJhbGciOi.J9-x_y", "eyJ", id="bearer token"),
    pytest.param("{'api-key: 0123456789abcdef0123456789abcdef'}", "0123456789", id="Azure key"),
    pytest.param("token th_ab12cd_0123456789-abc", "0123456789", id="our own token"),
    pytest.param("row th1$0a1b2c3d$AAAAbbbbCCCC-_", "AAAAbbbb", id="sealed secret"),
]


def record_of(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("threads.sync", logging.ERROR, "f.py", 1, message, args, None)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_it_takes_secrets_out_of_text(text: str, secret: str) -> None:
    redacted = logs.redact(text)

    assert secret not in redacted
    assert "[secret]" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "The disk-usage is 40 %.",
        "thread_abc123 and conv_0123456789abcdef",
        "The bearer was late.",
        "task-skipping is on",
    ],
)
def test_it_leaves_ordinary_sentences_alone(text: str) -> None:
    assert logs.redact(text) == text


def test_it_takes_secrets_out_of_arguments() -> None:
    record = record_of("refused %s for %s", "sk-abcdefgh12345", 7)

    logs.SecretsFilter().filter(record)

    assert record.getMessage() == "refused [secret] for 7"


@pytest.mark.parametrize("formatter", [logs.TextFormatter(), logs.JsonFormatter()])
def test_it_takes_secrets_out_of_tracebacks(formatter: logging.Formatter) -> None:
    with pytest.raises(ValueError, match="invalid") as raised:
        int("sk-abcdefgh12345")
    record = record_of("It failed.")
    record.exc_info = (raised.type, raised.value, raised.tb)

    logs.SecretsFilter().filter(record)
    line = formatter.format(record)

    assert "sk-abcdefgh12345" not in line
    assert "ValueError: invalid literal for int() with base 10: '[secret]'" in line


def test_it_writes_one_json_object_a_line() -> None:
    token = logs.request_id.set("0123456789abcdef")
    try:
        line = logs.JsonFormatter().format(record_of("two\nlines: %s", "對話"))
    finally:
        logs.request_id.reset(token)

    written = json.loads(line)
    assert "\n" not in line
    assert written.pop("at").endswith("+00:00")
    assert written == {
        "level": "error",
        "logger": "threads.sync",
        "request_id": "0123456789abcdef",
        "message": "two\nlines: 對話",
    }


def test_it_puts_the_request_id_into_lines_for_people() -> None:
    line = logs.TextFormatter().format(record_of("A sentence."))

    assert line.endswith("ERROR threads.sync [-] A sentence.")


def test_it_filters_everything_that_reaches_the_console() -> None:
    handlers = logging.getLogger().handlers + logging.getLogger("django").handlers

    ours = [handler for handler in handlers if isinstance(handler.formatter, logs.TextFormatter)]

    assert ours
    assert all(
        any(isinstance(one, logs.SecretsFilter) for one in handler.filters) for handler in ours
    )
