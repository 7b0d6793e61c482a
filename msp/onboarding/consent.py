"""A client's consent to the MSP's multi-tenant application at Microsoft.

The administrator opens Microsoft's address, consents, and is sent back with the state that we
signed. What comes back is believed in nothing: the state must be ours and unused, the tenant must
be the one that was expected, and then a question through the whole path has to work.
Source: https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent
(construct the URL for granting tenant-wide admin consent).
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils import timezone

from integrations import registry
from integrations.contract import Manifest
from integrations.errors import Throttled, Unauthorised, Unavailable
from integrations.models import Connection
from msp.onboarding import actions, shared
from msp.onboarding.errors import ConsentError, FieldProblem, OnboardingError
from msp.onboarding.models import ConsentRequest, Onboarding
from tenants import ledger, scope, work
from tenants.errors import HoldfastError

_FIRST: Final = "microsoft365"
_LOGIN: Final = "https://login.microsoftonline.com"
_LIFE: Final = dt.timedelta(days=7)
# After consent it takes a while until every part of Microsoft's sign-in knows of it.
_SETTLES: Final = dt.timedelta(minutes=15)
_AGAIN_SECONDS: Final = 20.0
_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_DOMAIN: Final = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
State = ConsentRequest.State


@dataclass(frozen=True, slots=True)
class Where:
    """What a state says: whose request it is, and its secret part."""

    tenant_id: uuid.UUID
    request_id: uuid.UUID
    nonce: str


def ask(onboarding: Onboarding, expected: str, *, actor: str) -> str:
    """Return the address at which the client's administrator consents; it counts once.

    `expected`: the client's tenant ID at Microsoft or one of its domains. Addresses that were
    given out before count no more. OnboardingError says what is missing.
    """
    field, expected = f"{_FIRST}.tenant_id", expected.strip().lower()
    if not settings.ENTRA_APP.get("client_id") or not settings.PUBLIC_URL:
        words = (
            "Set HOLDFAST_ENTRA_CLIENT_ID, HOLDFAST_ENTRA_CLIENT_SECRET and HOLDFAST_PUBLIC_URL "
            "for this installation, or connect with an app registration of the client's own."
        )
        raise OnboardingError([FieldProblem(field, words)])
    if not _GUID.fullmatch(expected) and not _DOMAIN.fullmatch(expected):
        words = "Enter the client's tenant ID at Microsoft, or one of its domains."
        raise OnboardingError([FieldProblem(field, words)])
    withdraw()
    nonce = secrets.token_urlsafe(32)
    row = ConsentRequest.objects.create(
        expected=expected, nonce_sha256=_hash(nonce), asked_by=actor,
        expires_at=timezone.now() + _LIFE,
    )  # fmt: skip
    ledger.append("consent.asked", actor=actor, subject=expected, body={"request": str(row.id)})
    return _address(row, nonce)


def try_without_asking(onboarding: Onboarding, expected: str, *, actor: str) -> None:
    """Try the MSP's application where consent was given already, such as in Partner Center."""
    ask(onboarding, expected, actor=actor)
    row = ConsentRequest.objects.latest("asked_at")
    row.state, row.used_at = State.RETURNED, timezone.now()
    row.save(update_fields=["state", "used_at"])
    work.schedule("consent", row.id)


def is_connected(connector: str) -> bool:
    """Whether the scope's tenant has a connection of this connector already."""
    return Connection.objects.filter(connector=connector).exists()


def withdraw() -> None:
    """Let addresses of the scope's tenant that nobody has used count no more."""
    ConsentRequest.objects.filter(state=State.ASKED).update(
        state=State.REFUSED, words="A newer address was given out.", used_at=timezone.now()
    )


def _address(row: ConsentRequest, nonce: str) -> str:
    app: Mapping[str, str] = settings.ENTRA_APP
    query = {
        "client_id": app["client_id"],
        "redirect_uri": f"{settings.PUBLIC_URL}{reverse('consent_microsoft')}",
        "state": _signer().sign(f"{row.tenant_id.hex}.{row.id.hex}.{nonce}"),
    }
    login = app.get("login_endpoint") or _LOGIN
    return f"{login}/{quote(row.expected, safe='')}/adminconsent?{urlencode(query)}"


def read_state(text: str) -> Where:
    """Return what a state says; ConsentError unless it was signed here."""
    try:
        tenant, request, nonce = _signer().unsign(text).split(".")
        return Where(uuid.UUID(hex=tenant), uuid.UUID(hex=request), nonce)
    except (BadSignature, ValueError):
        raise ConsentError("This address is not known.") from None


def take(where: Where, told: Mapping[str, str]) -> ConsentRequest:
    """Take what Microsoft sent back with the administrator, once; what follows is worked out later.

    Runs in the scope of the state's tenant. ConsentError where the state is used or too old.
    """
    rows = ConsentRequest.objects.select_for_update().filter(id=where.request_id)
    row = rows.first()
    if row is None or not hmac.compare_digest(row.nonce_sha256, _hash(where.nonce)):
        raise ConsentError("This address is not known.")
    now = timezone.now()
    if row.state != State.ASKED or row.used_at is not None or row.expires_at <= now:
        raise ConsentError("This address was used already, or is too old: ask for a new one.")
    row.used_at, row.entra_tenant_id = now, _guid(told.get("tenant", ""))
    row.words = _refusal(row, told)
    row.state = State.REFUSED if row.words else State.RETURNED
    row.save(update_fields=["used_at", "entra_tenant_id", "words", "state"])
    _note(row)
    if row.state == State.RETURNED:
        work.schedule("consent", row.id)
    return row


def _refusal(row: ConsentRequest, told: Mapping[str, str]) -> str:
    """Return why what came back is no consent; empty where it may be one."""
    error = told.get("error", "")
    if error:
        code = error if _CODE.fullmatch(error) else "unknown"
        return f"Microsoft sent the administrator back without consent ({code}): ask again."
    if told.get("admin_consent", "").lower() != "true" or not row.entra_tenant_id:
        return "Microsoft sent the administrator back without consent: ask again."
    if _GUID.fullmatch(row.expected) and row.expected != row.entra_tenant_id:
        return (
            "The administrator consented in another organisation than the expected one: have "
            "them sign in with an account of the client's, and ask again."
        )
    return ""


def settle(tenant_id: uuid.UUID, request_id: uuid.UUID) -> None:
    """Try what was consented to, and connect the client. Handler of work `consent`."""
    with scope.tenant(tenant_id):
        row = ConsentRequest.objects.filter(id=request_id, state=State.RETURNED).first()
    if row is None:
        return
    wait, words, entra_tenant_id = _try(row)
    work.renew()
    with scope.tenant(tenant_id):
        row = ConsentRequest.objects.select_for_update().get(id=request_id)
        if wait is not None:
            work.schedule("consent", row.id, delay=wait)
            return
        row.entra_tenant_id = entra_tenant_id or row.entra_tenant_id
        row.words = words or _connect(row)
        row.state = State.REFUSED if row.words else State.CONNECTED
        row.save(update_fields=["entra_tenant_id", "words", "state"])
        _note(row)


def _try(row: ConsentRequest) -> tuple[float | None, str, str]:
    """Ask whose organisation it is: seconds to wait, or why not, and the tenant's ID."""
    manifest = registry.connector(_FIRST)
    try:
        client: Any = _client(manifest, row.entra_tenant_id or row.expected)
        try:
            client.forget_organisation()
            found, domains = client.organisation(), client.domains()
        finally:
            client.close()
    except (Throttled, Unavailable) as error:
        return getattr(error, "retry_after", _AGAIN_SECONDS), "", ""
    except Unauthorised as error:
        age = timezone.now() - (row.used_at or row.asked_at)
        return (_AGAIN_SECONDS if age < _SETTLES else None), str(error), ""
    except HoldfastError as error:
        return None, str(error), ""
    if row.expected not in domains and row.expected != str(found.get("id", "")).lower():
        words = f"The organisation that answered does not own {row.expected}: check what was "
        return None, words + "entered, and who consented.", ""
    return None, "", _guid(str(found.get("id") or ""))


def _client(manifest: Manifest, tenant: str) -> object:
    common = shared.of(manifest)
    if common is None:
        raise OnboardingError([FieldProblem("", "HOLDFAST_ENTRA_CLIENT_ID is not set.")])
    return manifest.connect({**common.settings, "tenant_id": tenant}, common.secrets)


def _connect(row: ConsentRequest) -> str:
    """Connect what was chosen of Microsoft's; return why that can't be, empty where it could."""
    onboarding = Onboarding.objects.get()
    chosen = [one for one in onboarding.connectors if shared.needs_consent(registry.connector(one))]
    try:
        for connector in chosen or [_FIRST]:
            actions.connect(
                onboarding, connector, settings={"tenant_id": row.entra_tenant_id}, secrets={},
                actor=row.asked_by,
            )  # fmt: skip
    except OnboardingError as error:
        return " ".join(one.words for one in error.problems)
    return ""


def _note(row: ConsentRequest) -> None:
    ledger.append(
        f"consent.{row.state}",
        actor="engine",
        subject=row.expected,
        body={"request": str(row.id), "reason": row.words},
    )


def _guid(text: str) -> str:
    lower = text.strip().lower()
    return lower if _GUID.fullmatch(lower) else ""


def _signer() -> Signer:
    return Signer(salt="holdfast.consent")


def _hash(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()
