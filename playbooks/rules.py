"""The rules of engagement that are in force, and new versions of them.

Versions are kept for ever: a new one is another row, and the newest is in force.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from playbooks import engagement
from playbooks.engagement import Engagement
from playbooks.models import MspRules, RulesOfEngagement
from tenants import ledger, scope
from tenants.canonical import jsonable
from tenants.models import Tenant


def in_force() -> Engagement:
    """Return the rules of the scope's tenant: its newest, laid on the MSP-wide ones if it says so.

    The MSP-wide rules hold where the tenant has none of its own.
    """
    newest = newest_of_tenant()
    return effective(newest.document) if newest else msp_wide()


def newest_of_tenant() -> RulesOfEngagement | None:
    """Return the newest version of the scope's tenant's own rules; None where it has none."""
    return RulesOfEngagement.objects.order_by("-version").first()


def effective(document: Mapping[str, Any], name: str = "rules of engagement") -> Engagement:
    """Return what a tenant's document comes to under the MSP-wide rules of now."""
    if engagement.is_override(document):
        return engagement.lay_on(msp_wide().document, document, name)
    return engagement.load_engagement(document, name)


def msp_wide() -> Engagement:
    """Return the MSP-wide rules: the newest version, or the file that comes with Holdfast."""
    newest = MspRules.objects.order_by("-version").first()
    return engagement.load_engagement(newest.document) if newest else engagement.default()


def save(document: Mapping[str, Any], *, actor: str) -> RulesOfEngagement:
    """Make `document` the newest version of the scope's tenant's rules; `version` is set here.

    PlaybookError where it can't be loaded.
    """
    effective(document)
    _one_at_a_time(f"rules {scope.require_tenant_id()}")
    newest = newest_of_tenant()
    version = newest.version + 1 if newest else 1
    told = {**jsonable(document), "version": version}
    row = RulesOfEngagement.objects.create(
        tenant_id=scope.require_tenant_id(),
        version=version,
        document=told,
        sha256=effective(told).sha256,
        author=actor,
    )
    _note("rules.changed", row, actor)
    return row


def save_msp_wide(document: Mapping[str, Any], *, actor: str) -> MspRules:
    """Make `document` the newest version of the MSP-wide rules; `version` is set here.

    PlaybookError where it can't be loaded. Stands in every tenant's ledger. Runs inside a
    transaction, outside every tenant's scope.
    """
    engagement.load_engagement(document)
    _one_at_a_time("rules of the MSP")
    newest = MspRules.objects.order_by("-version").first()
    version = (newest or engagement.default()).version + 1
    told = {**jsonable(document), "version": version}
    sha256 = engagement.load_engagement(told).sha256
    row = MspRules.objects.create(version=version, document=told, sha256=sha256, author=actor)
    for tenant in Tenant.objects.all():
        with scope.tenant(tenant.id):
            _note("rules.msp_changed", row, actor)
    return row


def _one_at_a_time(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 6))", [name])


def _note(kind: str, row: RulesOfEngagement | MspRules, actor: str) -> None:
    ledger.append(
        kind, actor=actor, subject=f"rules of engagement version {row.version}",
        body={"version": row.version, "sha256": row.sha256, "document": row.document},
    )  # fmt: skip
