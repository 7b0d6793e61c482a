"""Whose rules of engagement a form changes: a client's, or those of the MSP for every client.

The pages are the same; what differs is what the rules are laid on, what is replayed before they
are kept, and where they are kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.urls import reverse

from msp.console import actions, rules_form, rules_past
from msp.console.rules_past import Past
from msp.staff.access import writing
from msp.staff.models import Technician
from msp.staff.selectors import tenants_of
from playbooks.engagement import Engagement
from playbooks.models import MspRules, RulesOfEngagement
from playbooks.policy import rules
from playbooks.replanning import what_if
from tenants.models import Tenant

# More would make somebody wait for the page; the command looks at all of them.
_MOST_PLANS = 500
_MOST_PLANS_OF_ALL = 1000
_NAME = "The rules"


@dataclass(frozen=True, slots=True)
class Editing:
    """One set of rules, opened to be changed.

    `base` is what they may be laid on (None for the MSP-wide ones), `version` and `kept` what is
    in force. `check` and `save` raise PlaybookError with what can't be kept and why; `check` takes
    who says where a problem stands, as `rules.check` does, `save` the version that the document was
    made from, and returns what to tell.
    """

    title: str
    tenant: Tenant | None
    base: Engagement | None
    newest: RulesOfEngagement | MspRules | None
    version: int
    kept: Mapping[str, Any]
    address: str
    back: str
    check: Callable[[Mapping[str, Any], Callable[..., str] | None], Engagement]
    replay: Callable[[Engagement], Past]
    save: Callable[[Mapping[str, Any], int], str]


def of_client(technician: Technician, tenant: Tenant) -> Editing:
    """Open a client's own rules."""
    with writing(technician, tenant.id):
        newest = rules.newest_of_tenant()

    def replay(checked: Engagement) -> Past:
        with writing(technician, tenant.id):
            return rules_past.of_client(tenant, what_if.replay(checked, most=_MOST_PLANS))

    def save(document: Mapping[str, Any], after: int) -> str:
        row = actions.save_rules(tenant, document, actor=technician, after=after)
        return f"Version {row.version} of the rules is in force for {tenant.name}."

    return Editing(
        title=f"Change the rules of {tenant.name}",
        tenant=tenant,
        base=rules.msp_wide(),
        newest=newest,
        version=newest.version if newest else 0,
        kept=newest.document if newest else rules_form.NEW,
        address=reverse("console:rules_edit", args=[tenant.slug]),
        back=reverse("console:rules", args=[tenant.slug]),
        check=lambda document, at: rules.check(document, _NAME, at),
        replay=replay,
        save=save,
    )


def of_msp(technician: Technician) -> Editing:
    """Open the MSP-wide rules; PermissionDenied for who doesn't see every client."""
    if not technician.sees_all_tenants:
        raise PermissionDenied(actions.NOT_EVERY_CLIENT)
    in_force = rules.msp_wide()

    def replay(checked: Engagement) -> Past:
        tenants = list(tenants_of(technician))
        found = what_if.replay_msp_wide(checked, tenants, most=_MOST_PLANS_OF_ALL)
        return rules_past.of_all(found)

    def save(document: Mapping[str, Any], after: int) -> str:
        row = actions.save_msp_rules(document, actor=technician, after=after)
        return f"Version {row.version} of the MSP-wide rules is in force."

    return Editing(
        title="Change the MSP-wide rules",
        tenant=None,
        base=None,
        newest=rules.newest_msp_wide(),
        version=in_force.version,
        kept=in_force.document,
        address=reverse("console:msp_rules_edit"),
        back=reverse("console:msp_rules"),
        check=lambda document, at: rules.check_msp_wide(document, _NAME, at),
        replay=replay,
        save=save,
    )
