"""The MSP's GDAP relationships with clients, as Microsoft lists them to the MSP's own tenant.

A technician whose role in a relationship may grant tenant-wide consent can open the consent
address without the client's administrator.
Source: https://learn.microsoft.com/graph/api/tenantrelationship-list-delegatedadminrelationships
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

from integrations import registry
from integrations.values import instant
from msp.onboarding import shared
from msp.onboarding.errors import FieldProblem, OnboardingError
from msp.onboarding.models import ConsentRequest, Onboarding
from tenants import scope, work
from tenants.errors import HoldfastError

_PATH: Final = "/tenantRelationships/delegatedAdminRelationships?$top=300"
_PERMISSION: Final = "DelegatedAdminRelationship.Read.All"
# Global Administrator and Privileged Role Administrator: who may consent to permissions of Graph
# for a whole tenant (https://learn.microsoft.com/entra/identity/role-based-access-control/
# permissions-reference).
_MAY_CONSENT: Final = frozenset(
    {"62e90394-69f5-4237-9190-012177145e10", "e8611ab8-c189-46e8-94e1-60213ab1f814"}
)


def listed() -> list[dict[str, Any]]:
    """Ask Microsoft for all relationships, those with the longest time left first.

    Each has `client`, `tenant_id`, `status`, `ends_at` (ISO 8601) and `may_consent`. Outside any
    transaction. OnboardingError where the MSP's own tenant is not set, or the vendor's error.
    """
    manifest = registry.connector("microsoft365")
    common, own = shared.of(manifest), settings.ENTRA_APP.get("tenant_id", "")
    if common is None or not own:
        words = "Set HOLDFAST_ENTRA_CLIENT_ID, its secret and HOLDFAST_ENTRA_TENANT_ID (your own)."
        raise OnboardingError([FieldProblem("", words)])
    client: Any = manifest.connect({**common.settings, "tenant_id": own}, common.secrets)
    try:
        found = [_told(one) for one in client.all(_PATH, _PERMISSION)]
    finally:
        client.close()
    return sorted(found, key=lambda one: (one["status"] != "active", one["client"].casefold()))


def look_up(tenant_id: uuid.UUID, onboarding_id: uuid.UUID) -> None:
    """Keep what relationship there is with a client. Handler of work `relationship`."""
    with scope.tenant(tenant_id):
        asked = ConsentRequest.objects.order_by("-asked_at").first()
        name = Onboarding.objects.select_related("tenant").get(id=onboarding_id).tenant.name
    try:
        found = [one for one in listed() if _is_of(one, name, asked)]
        kept: Mapping[str, Any] = found[0] if found else {"status": "none"}
    except HoldfastError as error:
        kept = {"status": "unknown", "why": str(error)}
    work.renew()
    with scope.tenant(tenant_id):
        Onboarding.objects.filter(id=onboarding_id).update(relationship=dict(kept))


def _is_of(told: Mapping[str, Any], name: str, asked: ConsentRequest | None) -> bool:
    ids = {asked.expected, asked.entra_tenant_id} if asked else set()
    return told["tenant_id"] in ids or told["client"].casefold() == name.casefold()


def _told(one: Mapping[str, Any]) -> dict[str, Any]:
    customer, access = one.get("customer") or {}, one.get("accessDetails") or {}
    roles = {str(role.get("roleDefinitionId")) for role in access.get("unifiedRoles") or ()}
    ends = instant(one.get("endDateTime"))
    return {
        "client": str(customer.get("displayName") or one.get("displayName") or ""),
        "tenant_id": str(customer.get("tenantId") or "").lower(),
        "status": str(one.get("status") or "unknown"),
        "ends_at": ends.isoformat() if ends else "",
        "may_consent": bool(roles & _MAY_CONSENT),
    }
