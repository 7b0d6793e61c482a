"""Changes to who works here: technicians and API keys."""

import datetime as dt
import logging
import secrets
from collections.abc import Iterable, Sequence

from allauth.mfa.models import Authenticator
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from msp.staff.errors import StaffError
from msp.staff.models import ApiKey, Role, Technician
from tenants.models import Tenant

_log = logging.getLogger(__name__)


def new_password() -> str:
    """Return a password with 120 random bits."""
    return secrets.token_urlsafe(15)


@transaction.atomic
def create_technician(
    username: str,
    *,
    role: Role,
    password: str,
    tenants: Iterable[Tenant] | None = None,
    email: str = "",
) -> Technician:
    """Make a technician; `tenants` limits what they see, None means every client.

    Raises StaffError where the name is taken or the password too weak.
    """
    if Technician.objects.filter(username__iexact=username).exists():
        raise StaffError(f"There is a technician {username!r} already: choose another name.")
    technician = Technician(
        username=username, email=email, role=role, sees_all_tenants=tenants is None
    )
    try:
        technician.set_password(password)
        technician.full_clean(exclude=["password"])
    except ValidationError as error:
        raise StaffError(" ".join(error.messages)) from None
    _must_be_strong(technician, password)
    technician.save()
    if tenants is not None:
        technician.tenants.set(tenants)
    _log.info("technician %s created with role %s", username, role)
    return technician


def set_password(technician: Technician, password: str) -> None:
    """Give a technician a new password, which ends their sessions; StaffError if too weak."""
    _must_be_strong(technician, password)
    technician.set_password(password)
    technician.save(update_fields=["password"])
    _log.info("technician %s got a new password", technician.username)


def set_role(technician: Technician, role: Role) -> None:
    """Change what a technician may do, from the next request on."""
    technician.role = role
    technician.save(update_fields=["role"])
    _log.info("technician %s now has role %s", technician.username, role)


def set_active(technician: Technician, *, is_active: bool) -> None:
    """Let a technician sign in, or no longer, from the next request on."""
    technician.is_active = is_active
    technician.save(update_fields=["is_active"])
    _log.info("technician %s is %s", technician.username, "active" if is_active else "disabled")


def reset_mfa(technician: Technician) -> int:
    """Remove a technician's second factor (a lost phone); return how many were removed."""
    removed, _ = Authenticator.objects.filter(user=technician).delete()
    _log.info("second factor of technician %s removed", technician.username)
    return removed


def create_api_key(
    name: str, *, scopes: Sequence[ApiKey.Scope | str], expires_at: dt.datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a machine's credential; return it and the key itself, which is shown only now.

    Raises StaffError where the name is taken or a scope doesn't exist.
    """
    unknown = sorted(set(scopes) - set(ApiKey.Scope.values))
    if unknown or not scopes:
        raise StaffError(
            f"Unknown scope {', '.join(unknown) or '(none)'}. There are: "
            f"{', '.join(ApiKey.Scope.values)}."
        )
    if ApiKey.objects.filter(name=name).exists():
        raise StaffError(f"There is an API key {name!r} already: choose another name.")
    key, prefix, sha256 = ApiKey.new_secret()
    row = ApiKey.objects.create(
        name=name, prefix=prefix, sha256=sha256, scopes=list(scopes), expires_at=expires_at
    )
    _log.info("API key %s (%s) created", name, prefix)
    return row, key


def revoke_api_key(name: str) -> ApiKey:
    """End an API key at once; StaffError where there is none of that name."""
    row = ApiKey.objects.filter(name=name).first()
    if row is None:
        raise StaffError(f"There is no API key {name!r}. `manage.py apikey list` shows them.")
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])
        _log.info("API key %s (%s) revoked", name, row.prefix)
    return row


def _must_be_strong(technician: Technician, password: str) -> None:
    try:
        validate_password(password, technician)
    except ValidationError as error:
        raise StaffError(" ".join(error.messages)) from None
