"""What load balancers, containers and monitoring systems ask."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring import health


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
