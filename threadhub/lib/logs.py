"""Log lines: one format for people, one for machines, and no secret in either."""

from __future__ import annotations

import contextvars
import json
import logging
import re
from datetime import UTC, datetime

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
# Where the request in hand came from; "" outside of requests.
client_address: contextvars.ContextVar[str] = contextvars.ContextVar("client_address", default="")

# API keys (sk-…, Azure's 32 or 84 characters after "api-key"), our own tokens, bearer headers.
_SECRETS = re.compile(
    r"(?i)\bsk-[A-Za-z0-9_*.-]{6,}"
    r"|\bth_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{8,}"
    r"|\bth1\$[0-9a-f]{8}\$[A-Za-z0-9_-]+"
    r"|(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=api-key: )[A-Za-z0-9._-]{8,}"
)


def redact(text: str) -> str:
    """Return `text` with everything that looks like a key or token replaced by `[secret]`."""
    return _SECRETS.sub("[secret]", text)


class SecretsFilter(logging.Filter):
    """Redacts the finished message and the traceback of every record that passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO threads.sync [3f2a…] sentence`, for a terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")
        self.default_msec_format = ""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get()
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, request_id, message, and exception if any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": request_id.get(),
            "message": record.getMessage(),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)
