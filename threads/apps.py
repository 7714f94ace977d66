"""Threads: the archive."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ThreadsConfig(AppConfig):
    name = "threads"
    verbose_name = _("Archive")

    def ready(self) -> None:
        from threads.search import setup

        setup.connect(self)
