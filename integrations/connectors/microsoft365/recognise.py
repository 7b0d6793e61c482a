"""Which envelopes Microsoft puts records in, and whose an inbox rule is, by its address."""

from collections.abc import Mapping
from typing import Any

from integrations.connectors.microsoft365.normalise.resources import resource_of
from integrations.envelopes import Exploder


def _context(url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The address without query, and `user_id` where the address names one."""
    named = url or str(body.get("@odata.context") or "")
    found = resource_of(named).user_id or resource_of(str(body.get("@odata.context") or "")).user_id
    place = url if "$metadata#" in url else url.split("?", 1)[0]
    return {**({"url": place} if place else {}), **({"user_id": found} if found else {})}


explode = Exploder(lists=("value", "records", "results"), context=_context)
