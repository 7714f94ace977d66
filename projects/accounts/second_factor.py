"""Second factors: who needs one, how their secrets are kept, and how they are taken off again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from allauth.mfa.models import Authenticator
from django.db import transaction

from projects.crypto import SecretError, sealed_with
from projects.keys import secret_box
from projects.models import SiteSettings

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet

_SEALED_FOR = ("mfa_authenticator.data",)
_SECRETS = ("secret", "seed")  # of an app, and of recovery codes; passkeys have public keys only


def is_required_of(user: User | AnonymousUser) -> bool:
    """Tell whether the settings ask this account for a second factor; a look into the cache.

    An account without a password comes in through single sign-on, which asks for its own.
    """
    if not user.is_authenticated or not user.is_staff or not user.has_usable_password():
        return False
    required = SiteSettings.current().second_factor
    if required == SiteSettings.SecondFactor.ADMINISTRATORS:
        return user.is_superuser
    return required == SiteSettings.SecondFactor.STAFF


def is_missing(user: User | AnonymousUser) -> bool:
    """Tell whether the settings ask this account for a second factor and it has none."""
    return is_required_of(user) and not factors_of(user).exists()


def factors_of(user: User | AnonymousUser) -> QuerySet[Authenticator]:
    """The account's second factors. Recovery codes are none: they stand in for one."""
    found: QuerySet[Authenticator] = Authenticator.objects.filter(user_id=user.pk).exclude(
        type=Authenticator.Type.RECOVERY_CODES
    )
    return found


def reset(user: User) -> int:
    """Take all second factors off an account whose owner lost them; return how many there were."""
    count = factors_of(user).count()
    Authenticator.objects.filter(user=user).delete()
    return count


def seal(text: str) -> str:
    """Return the token of an authenticator's secret.

    :raises NoMasterKey: when this installation has no master key.
    """
    return secret_box().encrypt(text, for_=_SEALED_FOR)


def unseal(token: str) -> str:
    """Return an authenticator's secret.

    :raises SecretError: when it cannot be opened; the text says what to do.
    """
    return secret_box().decrypt(token, for_=_SEALED_FOR)


def tokens() -> Iterator[tuple[int, str, str]]:
    """Yield every sealed secret: the authenticator's key, the secret's name, the token."""
    for pk, kept in Authenticator.objects.order_by("pk").values_list("pk", "data"):
        for name in _SECRETS:
            if name in kept:
                yield pk, name, kept[name]


def sealed_by(key_id: str) -> int:
    """Count the secrets that the master key `key_id` opens; one query."""
    return sum(sealed_with(token) == key_id for _pk, _name, token in tokens())


def reseal(pk: int, name: str) -> bool:
    """Seal one secret with the newest master key. False: it is, or it went meanwhile.

    :raises SecretError: when it cannot be opened; it stays as it is.
    """
    with transaction.atomic():
        row: Any = Authenticator.objects.select_for_update().filter(pk=pk).first()
        if row is None or not secret_box().needs_rotation(row.data.get(name, "")):
            return False
        row.data[name] = seal(unseal(row.data[name]))
        row.save(update_fields=["data"])
    return True


def lost() -> dict[str, tuple[int, str]]:
    """Return the master keys that do not open what they sealed: how many secrets, and why.

    One query; a secret that is no token at all is under "".
    """
    found: dict[str, tuple[int, str]] = {}
    for _pk, _name, token in tokens():
        try:
            unseal(token)
        except SecretError as error:
            key_id = sealed_with(token)
            found[key_id] = (found.get(key_id, (0, ""))[0] + 1, str(error))
    return found
