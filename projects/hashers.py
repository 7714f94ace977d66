"""Passwords that come from another application keep working until their owners have logged in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_noop as _

# What werkzeug.security writes: method$salt$hex digest.
_SCRYPT = re.compile(r"scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3})\Z")
_PBKDF2 = re.compile(r"pbkdf2:(sha1|sha256|sha384|sha512):(\d{1,8})\Z")
_MOST_MEMORY = 256 * 1024 * 1024  # bytes; what they write by default takes 32 MB
_MOST_ITERATIONS = 5_000_000
# Of the digest. Both methods end in PBKDF2, whose first bytes do not depend on how many are
# asked for; the column of the hash takes 128 characters and would not hold all 64 of scrypt.
_KEPT_BYTES = 32


class WerkzeugPasswordHasher(BasePasswordHasher):
    """Checks hashes of Werkzeug (`scrypt:` and `pbkdf2:`), kept as `werkzeug$method$salt$digest`.

    Stands last in PASSWORD_HASHERS: Django then replaces such a hash at the first login.
    """

    algorithm = "werkzeug"

    @classmethod
    def adopt(cls, given: str) -> str:
        """Return a hash as Werkzeug wrote it in the form that this class checks.

        :raises ValueError: when it is of another kind, too costly, or damaged.
        """
        method, salt, digest = given.split("$", 2)
        _checked(method)
        if not salt:
            raise ValueError("The hash has no salt.")
        try:
            kept = binascii.unhexlify(digest)[:_KEPT_BYTES]
        except binascii.Error as error:
            raise ValueError("The hash is damaged.") from error
        encoded = f"{cls.algorithm}${method}${salt}${_base64(kept)}"
        if len(kept) < 20 or len(encoded) > 128:
            raise ValueError("The hash is too short, or its salt too long.")
        return encoded

    def decode(self, encoded: str) -> dict[str, Any]:
        algorithm, method, salt, digest = encoded.split("$", 3)
        return {"algorithm": algorithm, "method": method, "salt": salt, "hash": digest}

    def verify(self, password: str, encoded: str) -> bool:
        parts = self.decode(encoded)
        try:
            found = _derive(parts["method"], password, parts["salt"])
        except ValueError:
            return False
        length = len(base64.b64decode(parts["hash"] + "=="))
        return constant_time_compare(_base64(found[:length]), parts["hash"])

    def encode(self, password: str, salt: str) -> str:
        """Return a new hash with Werkzeug's own default; only tests and harden_runtime need it."""
        method = "scrypt:32768:8:1"
        digest = _derive(method, password, salt)[:_KEPT_BYTES]
        return f"{self.algorithm}${method}${salt}${_base64(digest)}"

    def safe_summary(self, encoded: str) -> Any:
        parts = self.decode(encoded)
        return {_("algorithm"): f"{self.algorithm} ({parts['method']})"}

    def must_update(self, encoded: str) -> bool:
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing: the hash is replaced at the first login."""


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode().rstrip("=")


def _checked(method: str) -> tuple[str, tuple[int, ...]]:
    """Return the method's name and costs.

    :raises ValueError: when it is not known, or too costly.
    """
    if match := _SCRYPT.match(method):
        n, r, p = (int(value) for value in match.groups())
        if 0 < 132 * n * r * p <= _MOST_MEMORY and n > 1 and not n & (n - 1):
            return "scrypt", (n, r, p)
    elif (match := _PBKDF2.match(method)) and 0 < int(match[2]) <= _MOST_ITERATIONS:
        return match[1], (int(match[2]),)
    raise ValueError(f"The method {method[:40]!r} is not known, or too costly.")


def _derive(method: str, password: str, salt: str) -> bytes:
    name, costs = _checked(method)
    if name == "scrypt":
        n, r, p = costs
        return hashlib.scrypt(
            password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=132 * n * r * p
        )
    return hashlib.pbkdf2_hmac(name, password.encode(), salt.encode(), costs[0])
