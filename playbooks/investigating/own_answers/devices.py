"""What the products that manage the case's device said of it when they last listed it."""

from typing import Any

from integrations.contract import Json
from playbooks.cases import case_devices
from playbooks.investigating.own_answers.asked import NotTold
from tenants.models import Case, Device


def compliance(case: Case, _inputs: Json) -> Json:
    """Return whether the device keeps to the client's policies, as each product last said.

    NotTold where the case names no clear device, or no product says anything of compliance.
    """
    about = case_devices.about(case)
    if about is None:
        raise NotTold("the case names no device that the directory knows")
    told = [_told(row) for row in about.rows if row.attributes.get("compliance")]
    if not told:
        raise NotTold("no connected product says whether the device keeps to the policies")
    return {
        "products": told,
        "is_compliant": all(one["compliance"].lower() == "compliant" for one in told),
        "is_encrypted": all(one["is_encrypted"] is True for one in told),
        "owner": next((row.owner.display_name for row in about.rows if row.owner), ""),
    }


def _told(row: Device) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "name": str(row),
        "compliance": str(row.attributes["compliance"]),
        "is_encrypted": row.attributes.get("is_encrypted"),
        "last_seen_at": row.last_seen_at,
    }
