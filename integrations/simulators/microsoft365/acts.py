"""What users and attackers do meanwhile, for the control endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.simulators.base.control import moment, now_of
from integrations.simulators.base.simulator import Simulator
from integrations.simulators.base.store import Tenant

from .defender.actions import answer_machine, hold_machine, release_machine
from .intune.api import answer_device, hold_device
from .misuse import Misuse
from .people import OFFICES
from .subscriptions import notify


def _act(verb: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(simulator: Simulator, tenant: Tenant, **given: Any) -> Any:
        if given.get("at"):
            given["at"] = moment(given["at"])
        organisation = next(iter(tenant.true_all("organization")), {})
        office = OFFICES[organisation.get("countryLetterCode", "GB")]
        return verb(Misuse(tenant, now_of(simulator, given), office), **given)

    return carry_out


ACTS: Mapping[str, Callable[..., Any]] = {
    verb.__name__: _act(verb)
    for verb in (
        Misuse.business_email_compromise,
        Misuse.vip_compromise,
        Misuse.false_alarm,
        Misuse.travel,
        Misuse.malformed_records,
        Misuse.set_enabled,
        Misuse.register_phone,
        Misuse.add_forwarding_rule,
        Misuse.forward_mailbox,
        Misuse.strange_sign_in,
        Misuse.consent_to_app,
        Misuse.grant_role,
        Misuse.weary,
        Misuse.spray,
        Misuse.weaken,
        Misuse.take_files,
        Misuse.try_emergency_account,
        Misuse.give_access,
        Misuse.trust_sender,
        Misuse.send_mail,
        Misuse.deliver,
        Misuse.click,
        Misuse.answer,
    )
} | {
    verb.__name__: verb
    for verb in (hold_machine, answer_machine, release_machine, hold_device, answer_device, notify)
}
