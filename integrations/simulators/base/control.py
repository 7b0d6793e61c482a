"""The control endpoint: health, faults, seeds, state, log, and what others do meanwhile.

It has no counterpart at the vendor and asks for no token: a simulator listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from .faults import KINDS
from .http import Answer, Exchange, Refusal
from .simulator import Simulator
from .store import Record, Tenant

PREFIX = "/_simulator/"


class ControlError(Exception):
    """A control request that can't be carried out; says what to send instead."""


def handle(simulator: Simulator, exchange: Exchange) -> Answer:
    """Answer a control request; 400 with `error` where it is wrong."""
    name = exchange.path.removeprefix(PREFIX).strip("/")
    own = simulator.controls()
    known = {*_HANDLERS, *own}
    key = (exchange.method, name)
    if key not in known:
        there = sorted(f"{method} {PREFIX}{path}" for method, path in known)
        return Answer(404, {"error": f"no such control; there are: {', '.join(there)}"})
    try:
        body = exchange.json() or {}
        if key in own:
            told = own[key](exchange.options, body)
        else:
            told = _HANDLERS[key](simulator, exchange.options, body)
    except (ControlError, ValueError, KeyError, TypeError, Refusal) as error:
        return Answer(400, {"error": str(error)})
    simulator.store.save()
    return Answer(200, told)


def tenant_of(simulator: Simulator, given: Record) -> Tenant:
    """The tenant that a control request names; the only one where it names none."""
    if not given.get("tenant") and len(simulator.store.tenants) == 1:
        return next(iter(simulator.store.tenants.values()))
    found = simulator.store.find(str(given.get("tenant")))
    if found is None:
        names = ", ".join(t.domain for t in simulator.store.tenants.values())
        raise ControlError(f"no tenant '{given.get('tenant')}'; there are: {names}")
    return found


def moment(text: str) -> datetime:
    """An ISO 8601 date or time as an aware datetime; UTC where it has no zone."""
    parsed = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def now_of(simulator: Simulator, given: Record) -> datetime:
    """The present that a control request names, or the simulator's."""
    return moment(given["now"]) if given.get("now") else simulator.now()


def tenants(simulator: Simulator) -> list[Record]:
    """The tenants with their applications, whose secrets are made up."""
    return [
        {
            "id": tenant.id,
            "name": tenant.name,
            "domain": tenant.domain,
            "apps": [vars(app) for app in tenant.apps.values()],
        }
        for tenant in simulator.store.tenants.values()
    ]


def _health(simulator: Simulator, options: Record, body: Record) -> Any:
    return {"status": "ok", "tenants": len(simulator.store.tenants)}


def _tenants(simulator: Simulator, options: Record, body: Record) -> Any:
    return tenants(simulator)


def _list_faults(simulator: Simulator, options: Record, body: Record) -> Any:
    return [fault.as_json() for fault in simulator.faults.active]


def _add_fault(simulator: Simulator, options: Record, body: Record) -> Any:
    if body.get("kind") == "expired_tokens":
        simulator.expire_tokens()
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
    if name not in simulator.seeds:
        raise ControlError(f"no seed '{name}'; there are: {', '.join(simulator.seeds)}")
    simulator.seeds[name](simulator.store, now_of(simulator, body), int(body.get("number", 1)))
    return tenants(simulator)


def _state(simulator: Simulator, options: Record, body: Record) -> Any:
    return tenant_of(simulator, options).snapshot(options.get("collection", ""))


def _log(simulator: Simulator, options: Record, body: Record) -> Any:
    since = int(options.get("since", 0))
    lines = [line for line in simulator.journal.lines if line["number"] > since]
    if options.get("effects"):
        lines = [line for line in lines if line["effects"]]
    return lines


def _permissions(simulator: Simulator, options: Record, body: Record) -> Any:
    for app in tenant_of(simulator, body).apps.values():
        if body.get("app") in {None, app.client_id}:
            app.permissions = [str(name) for name in body["granted"]]
    return tenants(simulator)


def _act(simulator: Simulator, options: Record, body: Record) -> Any:
    given = dict(body)
    tenant = tenant_of(simulator, {"tenant": given.pop("tenant", None)})
    acts = {**_ACTS, **simulator.acts}
    verb = acts.get(str(given.pop("act", "")))
    if verb is None:
        raise ControlError(f"'act' must be one of: {', '.join(acts)}")
    return verb(simulator, tenant, **given)


def _put(simulator: Simulator, tenant: Tenant, collection: str, record: Record) -> Record:
    """Any record into any collection, as it is: for what no verb covers."""
    return tenant.put(collection, record)


def _remove(simulator: Simulator, tenant: Tenant, collection: str, id: str) -> Record:
    tenant.remove(collection, id)
    return {}


_ACTS: dict[str, Callable[..., Any]] = {"put": _put, "remove": _remove}

_HANDLERS: dict[tuple[str, str], Callable[[Simulator, Record, Record], Any]] = {
    ("GET", "health"): _health,
    ("GET", "tenants"): _tenants,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("POST", "reset"): _reset,
    ("POST", "seed"): _seed,
    ("GET", "state"): _state,
    ("GET", "log"): _log,
    ("POST", "permissions"): _permissions,
    ("POST", "act"): _act,
}
