"""The `.env` file of a new installation. Standard library only: it runs before Django does."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path


def ensure_env_file(path: Path) -> bool:
    """Write `.env` with fresh secrets, readable by its owner only. True when it was written.

    An existing file is left as it is. A folder that cannot be written to is no error here:
    there the secrets come from the environment.
    """
    if "SECRET_KEY" in os.environ and "THREADHUB_ENCRYPTION_KEYS" in os.environ:
        return False
    lines = [
        "# Written at the first start. Keep this file secret, and keep a copy of it apart from",
        "# the database: without THREADHUB_ENCRYPTION_KEYS no stored API key can be opened again.",
        f"SECRET_KEY={secrets.token_urlsafe(50)}",
        f"THREADHUB_ENCRYPTION_KEYS={base64.b64encode(secrets.token_bytes(32)).decode()}",
    ]
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:  # there already, or a folder that is read-only
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return True
