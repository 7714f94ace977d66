"""The addresses of the JSON API and of its description."""

from __future__ import annotations

from django.urls import path

from threads.api import api, docs
from threads.api.errors import in_one_shape, no_such_address

_operations, _app, _namespace = api.urls
for _operation in _operations:
    if _operation.callback is not None:
        _operation.callback = in_one_shape(_operation.callback)

urlpatterns = [
    path("v1/", (_operations, _app, _namespace)),
    path("v1/<path:rest>", no_such_address),
    path("docs", docs, name="api-docs"),
    path("<path:rest>", no_such_address),
]
