"""Microsoft Sentinel under the conformance suite: a simulated workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.connectors.microsoft_sentinel.manifest import MANIFEST
from integrations.simulators.base.simulator import Options
from integrations.simulators.microsoft_sentinel.seeds import GROUP, WORKSPACE
from integrations.simulators.microsoft_sentinel.simulator import Sentinel
from tests.contracts.published import SENTINEL
from tests.integrations.conformance.subject import Simulated, Subject
from tests.integrations.simulators.serving import serving

ENDPOINTS = ("login_endpoint", "query_endpoint", "arm_endpoint")


class SentinelSubject(Subject):
    """The workspace, on small pages."""

    manifest = MANIFEST
    feed = "alerts"
    pages = "/query$"
    endpoints = ENDPOINTS
    left_out = {
        "actions": "Nothing is ever changed at a SIEM.",
        "late_effects": "Nothing is ever changed at a SIEM.",
        "deletion": "Alerts are no list of things that there are.",
    }
    contract = SENTINEL
    excused = {"actions": "nothing is changed", "late_effects": "nothing is changed"}
    unrecorded = (
        "No recorded answers of a workspace are at hand; the shapes are those of Microsoft's pages "
        "and of the examples in its published REST specification."
    )

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(largest_page=8, record_exchanges=folder / "exchanges.ndjson")
        with serving(Sentinel(options), seed="demo") as served:
            tenant = served.control.tenants()[0]
            app = tenant["apps"][0]
            [workspace] = served.control.state(tenant["id"], "workspaces").values()
            settings = {
                "tenant_id": tenant["id"], "client_id": app["client_id"],
                "workspace_id": workspace["id"], "subscription_id": workspace["subscription"],
                "resource_group": GROUP, "workspace_name": WORKSPACE,
            } | dict.fromkeys(ENDPOINTS, served.base_url)  # fmt: skip
            yield Simulated(MANIFEST, served, settings, {"client_secret": app["secret"]})


SUBJECT = SentinelSubject()
