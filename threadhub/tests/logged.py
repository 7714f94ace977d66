"""What the console would show: the log of a test, as `manage.py start` writes it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from threadhub.lib.logs import JsonFormatter, SecretsFilter


@contextmanager
def everything_logged(level: int = logging.DEBUG) -> Iterator[io.StringIO]:
    """Collect what is logged from `level` up; Django and the queue pass nothing on to the root."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(SecretsFilter())
    handler.setFormatter(JsonFormatter())
    loggers = [logging.getLogger(name) for name in ("", "django", "django-q")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield stream
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(before)
