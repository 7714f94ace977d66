"""The receipt of a request: what was deleted and when, provable without keeping what it was."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from threads.models.subject_request import SubjectRequest


def receipt_for(request: SubjectRequest, *, now: datetime) -> dict[str, Any]:
    """Return the receipt, with a SHA-256 over all of it in `receipt_sha256`.

    Terms and threads are named by hashes and store ids; no title, text or address is in it.
    """
    findings = request.findings.filter(is_included=True).order_by("project_name", "external_id")
    receipt: dict[str, Any] = {
        "product": "ThreadHub",
        "request": str(request.pk),
        "reference": request.reference,
        "opened_at": request.opened_at.isoformat(),
        "opened_by": request.requested_by.get_username() if request.requested_by else "",
        "receipt_at": now.isoformat(),
        # Forgotten by then, when what had stayed is deleted in a second go.
        "looked_for": request.receipt.get("looked_for") or request.term_hashes(),
        "projects": sorted(request.projects.values_list("name", flat=True)),
        "pack_sha256": request.pack_sha256,
        "left_out_by_review": request.findings.filter(is_included=False).count(),
        "threads": [
            {
                "id": found.external_id,
                "project": found.project_name,
                "messages": found.message_count,
                "sha256": found.sha256,
                "outcome": found.end,
                "reason": found.why,
                "at": found.ended_at.isoformat() if found.ended_at else None,
            }
            for found in findings
        ],
    }
    return receipt | {"receipt_sha256": digest_of(receipt)}


def digest_of(receipt: dict[str, Any]) -> str:
    """Return the SHA-256 of a receipt's canonical form: JSON, keys sorted, without its own."""
    form = {name: value for name, value in receipt.items() if name not in _NOT_HASHED}
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


_NOT_HASHED = {"receipt_sha256", "audit"}
