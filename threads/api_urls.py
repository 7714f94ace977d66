"""The addresses of the JSON API and of its description."""

from __future__ import annotations

from django.urls import path

from threads.api import api, docs
from threads.api.errors import no_such_address

urlpatterns = [
    path("v1/", api.urls),
    path("v1/<path:rest>", no_such_address),
    path("docs", docs, name="api-docs"),
]
