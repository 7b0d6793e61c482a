"""The control endpoint: faults, seeds, state, log, and what attackers and users do meanwhile.

It has no counterpart at the vendor and asks for no token: a simulator listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .errors import GraphError
from .faults import KINDS
from .graph import Answer
from .odata import timestamp
from .people import OFFICES
from .scenarios import Scenarios
from .seed import organisation
from .seeds import SEEDS
from .simulator import Exchange, Simulator
from .store import Record, Tenant

PREFIX = "/_simulator/"


class ControlError(Exception):
    """A control request that can't be carried out; says what to send instead."""


def handle(simulator: Simulator, exchange: Exchange) -> Answer:
    """Answer a control request; 400 with `error` where it is wrong."""
    name = exchange.path.removeprefix(PREFIX).strip("/")
    handler = _HANDLERS.get((exchange.method, name))
    if handler is None:
        known = sorted(f"{method} {PREFIX}{path}" for method, path in _HANDLERS)
        return Answer(404, {"error": f"no such control; there are: {', '.join(known)}"})
    try:
        body = exchange.json() or {}
        answer = Answer(200, handler(simulator, exchange.options, body))
    except (ControlError, ValueError, KeyError, TypeError, GraphError) as error:
        return Answer(400, {"error": str(error)})
    simulator.store.save()
    return answer


def _tenant(simulator: Simulator, given: Record) -> Tenant:
    if not given.get("tenant") and len(simulator.store.tenants) == 1:
        return next(iter(simulator.store.tenants.values()))
    found = simulator.store.find(str(given.get("tenant")))
    if found is None:
        names = ", ".join(t.domain for t in simulator.store.tenants.values())
        raise ControlError(f"no tenant '{given.get('tenant')}'; there are: {names}")
    return found


def _now(simulator: Simulator, given: Record) -> datetime:
    return timestamp(given["now"]) if given.get("now") else simulator.now()


def _health(simulator: Simulator, options: Record, body: Record) -> Any:
    return {"status": "ok", "tenants": len(simulator.store.tenants)}


def _tenants(simulator: Simulator, options: Record, body: Record) -> Any:
    return [
        {
            "id": tenant.id,
            "name": tenant.name,
            "domain": tenant.domain,
            "apps": [vars(app) for app in tenant.apps.values()],
        }
        for tenant in simulator.store.tenants.values()
    ]


def _list_faults(simulator: Simulator, options: Record, body: Record) -> Any:
    return [fault.as_json() for fault in simulator.faults.active]


def _add_fault(simulator: Simulator, options: Record, body: Record) -> Any:
    if body.get("kind") == "expired_tokens":
        simulator.issuer.expire_all()
        return {"kind": "expired_tokens"}
    if not body.get("kind"):
        raise ControlError(f"'kind' is missing; use expired_tokens, {', '.join(KINDS)}")
    return simulator.faults.add(**body).as_json()


def _remove_faults(simulator: Simulator, options: Record, body: Record) -> Any:
    simulator.faults.remove(options.get("id"))
    return _list_faults(simulator, options, body)


def _reset(simulator: Simulator, options: Record, body: Record) -> Any:
    simulator.store.clear()
    simulator.faults.remove()
    simulator.journal.clear()
    return _seed(simulator, options, body) if body.get("seed") else []


def _seed(simulator: Simulator, options: Record, body: Record) -> Any:
    name = body.get("seed", "demo")
    if name not in SEEDS:
        raise ControlError(f"no seed '{name}'; there are: {', '.join(SEEDS)}")
    SEEDS[name](simulator.store, _now(simulator, body), int(body.get("number", 1)))
    return _tenants(simulator, options, body)


def _organisation(simulator: Simulator, options: Record, body: Record) -> Any:
    given = {k: v for k, v in body.items() if k != "now"}
    org = organisation(simulator.store, now=_now(simulator, body), **given)
    return next(t for t in _tenants(simulator, {}, {}) if t["id"] == org.tenant.id)


def _state(simulator: Simulator, options: Record, body: Record) -> Any:
    state = _tenant(simulator, options).snapshot()
    collection = options.get("collection")
    return state.get(collection, {}) if collection else state


def _log(simulator: Simulator, options: Record, body: Record) -> Any:
    since = int(options.get("since", 0))
    lines = [line for line in simulator.journal.lines if line["number"] > since]
    if options.get("effects"):
        lines = [line for line in lines if line["effects"]]
    return lines


def _permissions(simulator: Simulator, options: Record, body: Record) -> Any:
    tenant = _tenant(simulator, body)
    for app in tenant.apps.values():
        if body.get("app") in {None, app.client_id}:
            app.permissions = [str(name) for name in body["granted"]]
    return _tenants(simulator, options, body)


def _act(simulator: Simulator, options: Record, body: Record) -> Any:
    given = dict(body)
    tenant = _tenant(simulator, {"tenant": given.pop("tenant", None)})
    verb = _ACTS.get(str(given.pop("act", "")))
    if verb is None:
        raise ControlError(f"'act' must be one of: {', '.join(_ACTS)}")
    if given.get("at"):
        given["at"] = timestamp(given["at"])
    organisation_ = next(iter(tenant.true_all("organization")), {})
    office = OFFICES[organisation_.get("countryLetterCode", "GB")]
    return verb(Scenarios(tenant, _now(simulator, given), office), **given)


def _put(scenarios: Scenarios, collection: str, record: Record) -> Record:
    """Any record into any collection, as it is: for what no verb covers."""
    return scenarios.tenant.put(collection, record)


_ACTS: dict[str, Callable[..., Any]] = {
    "business_email_compromise": Scenarios.business_email_compromise,
    "vip_compromise": Scenarios.vip_compromise,
    "false_alarm": Scenarios.false_alarm,
    "malformed_records": Scenarios.malformed_records,
    "set_enabled": Scenarios.set_enabled,
    "register_phone": Scenarios.register_phone,
    "add_forwarding_rule": Scenarios.add_forwarding_rule,
    "forward_mailbox": Scenarios.forward_mailbox,
    "strange_sign_in": Scenarios.strange_sign_in,
    "put": _put,
}

_HANDLERS: dict[tuple[str, str], Callable[[Simulator, Record, Record], Any]] = {
    ("GET", "health"): _health,
    ("GET", "tenants"): _tenants,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("POST", "reset"): _reset,
    ("POST", "seed"): _seed,
    ("POST", "organisation"): _organisation,
    ("GET", "state"): _state,
    ("GET", "log"): _log,
    ("POST", "permissions"): _permissions,
    ("POST", "act"): _act,
}
