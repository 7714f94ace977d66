"""The console's pages for the archive, its connections and its background work."""

from __future__ import annotations

from threads.admin import connections, jobs, ledger, messages, saved_searches, subjects, threads

__all__ = ["connections", "jobs", "ledger", "messages", "saved_searches", "subjects", "threads"]
