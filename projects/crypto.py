"""Secrets at rest: AES-256-GCM, a key id in every token, each token bound to its row.

Token format: `th1$<key id, 8 hex digits>$<base64url of nonce (12 bytes) + ciphertext + tag>`.
The data key is HKDF-SHA256 of the master key (RFC 5869, info "threadhub/secretbox/v1"); the
associated data names version, key id, column and row, so a token moved to another row or column
does not open. Knows no model and no settings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_TOKEN = re.compile(r"th1\$([0-9a-f]{8})\$([A-Za-z0-9_-]{38,})\Z")
_NONCE_BYTES = 12  # what GCM is specified for (NIST SP 800-38D)
_KEY_BYTES = 32
_FEWEST_DISTINCT_BYTES = 8  # 32 random bytes with fewer do not occur; "aaaa…" does


class SecretError(Exception):
    """A secret could not be sealed or opened. The text says what to do."""


class NoMasterKey(SecretError):
    """THREADHUB_ENCRYPTION_KEYS is empty, or a key in it is unusable."""


class UnknownKey(SecretError):
    """The token was sealed with a master key that is not configured any more."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"It was sealed with the master key {key_id}, which is not configured."
            " Put that key back into THREADHUB_ENCRYPTION_KEYS, or enter the secret again."
        )
        self.key_id = key_id


class Tampered(SecretError):
    """The token was changed, or belongs to another row."""


class BadFormat(SecretError):
    """The text is no token at all."""


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str
    aead: AESGCM
    fingerprint_key: bytes


def _derive(raw: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, None, info).derive(raw)


def _parse(part: str) -> _Key:
    try:
        padded = part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4)
        raw = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise NoMasterKey("A key in THREADHUB_ENCRYPTION_KEYS is not base64.") from None
    if len(raw) != _KEY_BYTES:
        raise NoMasterKey(
            f"A key in THREADHUB_ENCRYPTION_KEYS has {len(raw)} bytes; it needs {_KEY_BYTES}."
        )
    if len(set(raw)) < _FEWEST_DISTINCT_BYTES:
        raise NoMasterKey("A key in THREADHUB_ENCRYPTION_KEYS is not random.")
    return _Key(
        key_id=hashlib.sha256(b"threadhub-kid" + raw).hexdigest()[:8],
        aead=AESGCM(_derive(raw, b"threadhub/secretbox/v1")),
        fingerprint_key=_derive(raw, b"threadhub/fingerprint/v1"),
    )


def sealed_with(token: str) -> str:
    """Return the id of the master key that `token` needs; "" when it is no token."""
    match = _TOKEN.match(token)
    return match.group(1) if match else ""


class SecretBox:
    """Seals and opens secrets with one or more master keys: the first seals, all open.

    :param keys: base64 of 32 random bytes each, comma separated, newest first.
    :raises NoMasterKey: when there is none, or one is unusable.
    """

    def __init__(self, keys: str) -> None:
        parsed = [_parse(part.strip()) for part in keys.split(",") if part.strip()]
        if not parsed:
            raise NoMasterKey(
                "No master key is set. Put THREADHUB_ENCRYPTION_KEYS into .env:"
                " base64 of 32 random bytes."
            )
        self._newest = parsed[0]
        self._keys = {key.key_id: key for key in reversed(parsed)}

    def __repr__(self) -> str:
        return f"SecretBox({', '.join(self._keys)})"

    @property
    def key_id(self) -> str:
        """The id of the key that seals."""
        return self._newest.key_id

    @property
    def key_ids(self) -> list[str]:
        """The ids of all keys that open, the one that seals first."""
        return [self.key_id, *(key_id for key_id in self._keys if key_id != self.key_id)]

    @staticmethod
    def _bound_to(key_id: str, for_: tuple[str, ...]) -> bytes:
        return b"\x1f".join(part.encode() for part in ("threadhub", "1", key_id, *for_))

    def encrypt(self, text: str, *, for_: tuple[str, ...]) -> str:
        """Return the token of `text`, which opens only with the same `for_` (column, row)."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._newest.aead.encrypt(nonce, text.encode(), self._bound_to(self.key_id, for_))
        body = base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()
        return f"th1${self.key_id}${body}"

    def decrypt(self, token: str, *, for_: tuple[str, ...]) -> str:
        """Return the text in `token`.

        :raises BadFormat: when it is no token.
        :raises UnknownKey: when its master key is not configured.
        :raises Tampered: when it was changed, or sealed for another row or column.
        """
        match = _TOKEN.match(token)
        if match is None:
            raise BadFormat("The stored secret is damaged. Enter it again.")
        key_id, body = match.groups()
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey(key_id)
        if len(body) % 4 == 1:  # no base64 has such a length
            raise BadFormat("The stored secret is damaged. Enter it again.")
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        # Unused bits of the last character would otherwise give one secret several tokens.
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != body:
            raise Tampered("The stored secret was changed. Enter it again.")
        try:
            opened = key.aead.decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], self._bound_to(key_id, for_)
            )
        except InvalidTag:
            raise Tampered(
                "The stored secret was changed or copied from another row. Enter it again."
            ) from None
        return opened.decode()

    def needs_rotation(self, token: str) -> bool:
        """True when `token` was not sealed by the newest key."""
        match = _TOKEN.match(token)
        return match is None or match.group(1) != self.key_id

    def fingerprint(self, text: str) -> str:
        """Return a keyed hash (HMAC-SHA-256, 32 hex digits) to find equal secrets by."""
        digest = hmac.new(self._newest.fingerprint_key, text.encode(), hashlib.sha256)
        return digest.hexdigest()[:32]
