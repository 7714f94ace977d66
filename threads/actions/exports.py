"""Exports that take longer than a request."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from django.utils.translation import get_language

from threads.actions.jobs import Refused, queue_job
from threads.exports import ExportError, ExportOrder
from threads.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def request_export(order: ExportOrder, *, by: User) -> Job:
    """Queue an export; the same one asked for while it runs is that one.

    What it holds is decided when it is made, by what `by` may read then.

    :raises Refused: when an option is wrong.
    """
    try:
        order.check()
    except ExportError as error:
        raise Refused(str(error)) from error
    parameters = replace(order, language=get_language() or "en").as_json()
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:32]
    job, _is_new = queue_job(Job.Kind.EXPORT, f"{by.pk}:{digest}", by=by, parameters=parameters)
    return job
