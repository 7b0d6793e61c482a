"""What users and attackers do meanwhile, for the control endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.simulators.base.control import moment, now_of
from integrations.simulators.base.simulator import Simulator
from integrations.simulators.base.store import Tenant

from .defender.actions import answer_machine, hold_machine, release_machine
from .intune.api import answer_device, hold_device
from .people import OFFICES
from .scenarios import Scenarios


def _act(verb: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(simulator: Simulator, tenant: Tenant, **given: Any) -> Any:
        if given.get("at"):
            given["at"] = moment(given["at"])
        organisation = next(iter(tenant.true_all("organization")), {})
        office = OFFICES[organisation.get("countryLetterCode", "GB")]
        return verb(Scenarios(tenant, now_of(simulator, given), office), **given)

    return carry_out


ACTS: Mapping[str, Callable[..., Any]] = {
    verb.__name__: _act(verb)
    for verb in (
        Scenarios.business_email_compromise,
        Scenarios.vip_compromise,
        Scenarios.false_alarm,
        Scenarios.malformed_records,
        Scenarios.set_enabled,
        Scenarios.register_phone,
        Scenarios.add_forwarding_rule,
        Scenarios.forward_mailbox,
        Scenarios.strange_sign_in,
    )
} | {
    verb.__name__: verb
    for verb in (hold_machine, answer_machine, release_machine, hold_device, answer_device)
}
