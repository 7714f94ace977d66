"""The secret box of this installation, from its settings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from projects.crypto import NoMasterKey, SecretBox


@lru_cache(maxsize=8)
def _box(keys: str) -> SecretBox:
    return SecretBox(keys)


def configured_keys() -> str:
    """Return the master keys as configured, from the environment or from their file.

    :raises NoMasterKey: when the file that is named cannot be read.
    """
    if settings.THREADHUB_ENCRYPTION_KEYS_FILE:
        try:
            text = Path(settings.THREADHUB_ENCRYPTION_KEYS_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NoMasterKey(f"THREADHUB_ENCRYPTION_KEYS_FILE cannot be read: {error}") from error
        return ",".join(text.split())
    return str(settings.THREADHUB_ENCRYPTION_KEYS)


def secret_box() -> SecretBox:
    """Return the box that seals and opens this installation's secrets.

    :raises NoMasterKey: when no usable master key is configured.
    """
    return _box(configured_keys())
