"""The public pages."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "threads"
urlpatterns: list[URLPattern] = []
