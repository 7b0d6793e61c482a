"""What users and intruders do meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.simulators.base.control import ControlError, moment
from integrations.simulators.base.simulator import Simulator
from integrations.simulators.base.store import Record, Tenant

from .activity import note
from .requests import user_of


def _user(tenant: Tenant, name: str) -> Record:
    found = user_of(tenant, name) or user_of(tenant, f"{name}@{tenant.domain}")
    if found is None:
        raise ControlError(f"no user '{name}'")
    return found


def _update_user(simulator: Simulator, tenant: Tenant, user: str, **changes: Any) -> Record:
    """Change properties of a user, past the API."""
    return tenant.update("users", _user(tenant, user)["id"], changes)


def _activity(
    simulator: Simulator, tenant: Tenant, application: str, kind: str, name: str, *,
    user: str = "", at: str = "", ip: str = "", country: str = "", **told: Any,
) -> Record:  # fmt: skip
    """Let the Reports API show an activity, with the parameters `told`."""
    return note(
        tenant, application, kind, name,
        at=moment(at) if at else simulator.now(), actor=_user(tenant, user) if user else None,
        ip=ip, country=country, **told,
    )  # fmt: skip


def _reply(simulator: Simulator, tenant: Tenant, user: str, text: str) -> Record:
    """Let a user switch an automatic reply on."""
    told = {"enableAutoReply": True, "responseSubject": "", "responseBodyPlainText": text}
    return tenant.put("vacation", told, _user(tenant, user)["id"])


ACTS: dict[str, Callable[..., Any]] = {
    "update_user": _update_user,
    "activity": _activity,
    "reply": _reply,
}
