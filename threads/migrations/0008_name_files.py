"""Write down the files that archived messages name: new ones are noted as they come."""

from __future__ import annotations

import re
from typing import Any

from django.db import migrations
from django.db.models import F

_BATCH = 500
_FILE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,200}\Z")
_IMAGE_OR_FILE = 1 | 2  # bits of Message.features


def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""


def _named(parts: Any) -> dict[str, tuple[str, str]]:
    """Return (container, name) by file id."""
    found: dict[str, tuple[str, str]] = {}
    for part in parts if isinstance(parts, list) else []:
        given: list[tuple[Any, Any, Any]] = [
            (part.get("file_id"), "", str(part.get("text") or "").partition("\n")[0])
        ]
        for annotation in part.get("annotations") or []:
            inner = annotation.get(str(annotation.get("type")))
            cited = {**annotation, **inner} if isinstance(inner, dict) else annotation
            given.append((cited.get("file_id"), cited.get("container_id"), cited.get("filename")))
        for identity, container, name in given:
            if isinstance(identity, str) and _FILE_ID.match(identity) and identity.strip("."):
                found.setdefault(identity, (_text(container), " ".join(_text(name).split())))
    return found


def name_files(apps: Any, schema_editor: Any) -> None:
    source_model = apps.get_model("threads", "MessageSource")
    reference_model = apps.get_model("threads", "FileReference")
    last = 0
    while True:
        rows = list(
            source_model.objects.alias(bits=F("message__features").bitand(_IMAGE_OR_FILE))
            .filter(message__gt=last, bits__gt=0)
            .order_by("message")
            .values_list("message", "parts", "message__project", "message__thread__connection")[
                :_BATCH
            ]
        )
        if not rows:
            return
        # What a file brought into a thread of a store cannot be told apart any more; its ids
        # are the store's own, and only who may change the project could have written them.
        reference_model.objects.bulk_create(
            [
                reference_model(
                    message_id=message,
                    project_id=project,
                    connection_id=connection,
                    file_id=identity,
                    container_id=container,
                    name=name,
                )
                for message, parts, project, connection in rows
                for identity, (container, name) in _named(parts).items()
            ],
            ignore_conflicts=True,
        )
        last = rows[-1][0]


class Migration(migrations.Migration):
    dependencies = [("threads", "0007_file_references")]

    # Going back drops the table anyway.
    operations = [migrations.RunPython(name_files, migrations.RunPython.noop)]
