"""What load balancers, containers and monitoring systems ask."""

from __future__ import annotations

import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring import exposition, health
from threadhub.lib.http import client_ip


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer that this process answers; touches nothing else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when everything that ThreadHub stands on is well, else 503 and what is not."""
    findings = health.examine()
    is_ready = all(finding.is_ok for finding in findings)
    checks = {found.name: {"ok": found.is_ok, "message": found.message} for found in findings}
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "checks": checks},
        status=200 if is_ready else 503,
    )


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus: with the token that is set, or from this machine when none is."""
    if not _may_watch(request):
        return HttpResponse(status=403, content_type="text/plain")
    return HttpResponse(exposition.exposition(timezone.now()), exposition.CONTENT_TYPE)


def _may_watch(request: HttpRequest) -> bool:
    if token := settings.THREADHUB_METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())
    # With a proxy on this machine that nobody told us of, everybody would seem to be local.
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if is_forwarded and not settings.THREADHUB_TRUSTED_PROXIES:
        return False
    return ipaddress.ip_address(client_ip(request)).is_loopback
