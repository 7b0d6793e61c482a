"""NinjaOne's public API 2 over one state: routes, tokens of scopes, and how it refuses."""

from __future__ import annotations

from dataclasses import replace

from integrations.simulators.base.http import Answer, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import route
from integrations.simulators.ninjaone import reads, writes
from integrations.simulators.ninjaone.seeds import SEEDS

_MONITORING, _MANAGEMENT = "monitoring", "management"


class Ninjaone(RestSimulator):
    """A simulated account at NinjaOne."""

    host = "eu.ninjarmm.com"
    token_path = "/ws/oauth/token"  # noqa: S105
    seeds = SEEDS
    routes = (
        route("GET", "/v2/devices-detailed", reads.devices, _MONITORING),
        route("GET", "/v2/device/{id}", reads.device, _MONITORING),
        route("GET", "/v2/device/{id}/os-patches", reads.lacking, _MONITORING),
        route("GET", "/v2/device/{id}/os-patch-installs", reads.installs, _MONITORING),
        route("GET", "/v2/device/{id}/activities", reads.activities, _MONITORING),
        route("GET", "/v2/device/{id}/jobs", reads.jobs, _MONITORING),
        route("GET", "/v2/device/{id}/last-logged-on-user", reads.last_user, _MONITORING),
        route("GET", "/v2/device/{id}/scripting/options", reads.scripting, _MONITORING),
        route("GET", "/v2/queries/operating-systems", reads.systems, _MONITORING),
        route("GET", "/v2/alerts", reads.alerts, _MONITORING),
        route("GET", "/v2/organization/{id}", reads.organisation, _MONITORING),
        route("POST", "/v2/device/{id}/patch/os/apply", writes.install, _MANAGEMENT),
        route("POST", "/v2/device/{id}/reboot/{mode}", writes.reboot, _MANAGEMENT),
        route("POST", "/v2/device/{id}/script/run", writes.run, _MANAGEMENT),
    )

    def issue(self, exchange: Exchange) -> Answer:
        """A token of the scopes that were asked for; refused where one isn't allowed."""
        form = exchange.form()
        found = self.tokens.app(form.get("client_id", ""), form.get("client_secret", ""))
        if found is None:
            raise Refusal(401, {"error": "invalid_client"})
        tenant, app = found
        scopes = form.get("scope", _MONITORING).split()
        if not set(scopes) <= set(app.permissions):
            raise Refusal(400, {"error": "invalid_scope"})
        return self.granted(self.tokens.issue(tenant, replace(app, permissions=scopes)))

    def granted(self, token: str) -> Answer:
        """The token endpoint's answer."""
        told = {"access_token": token, "token_type": "Bearer", "scope": _MONITORING}
        return Answer(200, {**told, "expires_in": self.options.expires_in})

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """NinjaOne's shape of an error."""
        return reads.refused(
            status, message, {"Retry-After": str(retry_after)} if status == 429 else None
        )
