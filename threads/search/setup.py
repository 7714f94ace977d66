"""Prepares each database connection and keeps the index's tables beside the archive's."""

from __future__ import annotations

from django.apps import AppConfig


def connect(config: AppConfig) -> None:
    """Hook into connections and migrations; called once, when the app is ready."""
