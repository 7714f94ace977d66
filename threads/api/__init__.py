"""The JSON API: what programs may ask. Described by itself at /api/v1/openapi.json."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from ninja import NinjaAPI, Swagger

from threads.api import adding, exports, files, fresh, reading  # noqa: F401 - add their operations
from threads.api.errors import answer_errors
from threads.api.router import router

api = NinjaAPI(
    title="ThreadHub",
    version="1",
    description=(
        "Search and read archived conversation threads. What an answer holds follows from who "
        "asks: visitors see public projects; `Authorization: Bearer th_…` asks as the token's "
        "owner. Lists are paged by `cursor`, which is opaque: pass "
        "`next_cursor` on until it is null. Errors have one shape: "
        '`{"error": {"code", "message", "field"?, "position"?, "length"?, "suggestion"?}}`.'
    ),
    urls_namespace="api",
    docs_url=None,  # has an address of its own, outside of the version
    openapi_url="/openapi.json",
)
api.add_router("", router)
answer_errors(api)

_swagger = Swagger(settings={"defaultModelsExpandDepth": 0, "tryItOutEnabled": True})


@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    """Show the API's description as a page to try it out in; served without any other host."""
    return _swagger.render_page(request, api)
