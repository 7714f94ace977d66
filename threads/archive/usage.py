"""The tokens that a source gives for a thread as a whole."""

from __future__ import annotations

from threads.models import Thread
from threads.sources import Usage


def write_usage(thread: Thread, usage: Usage) -> None:
    """Put the tokens that a source gives for a thread into its columns; the caller saves."""
    thread.input_tokens, thread.output_tokens = usage.input, usage.output
    thread.total_tokens, thread.cached_tokens = usage.total, usage.cached
    thread.reasoning_tokens, thread.usage_is_exact = usage.reasoning, usage.is_exact
    known = usage.source in Thread.UsageSource.values
    thread.usage_source = usage.source if known else Thread.UsageSource.RESPONSE
