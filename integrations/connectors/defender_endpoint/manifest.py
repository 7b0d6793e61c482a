"""What the connector brings and what it can do, with the least permission for each.

Permissions are application permissions of WindowsDefenderATP, not Graph's.
"""

from integrations.connectors.defender_endpoint import feeds, normalise
from integrations.connectors.defender_endpoint.actions import ACTIONS
from integrations.connectors.defender_endpoint.client import PUBLIC, READ_MACHINES, canary, connect
from integrations.connectors.defender_endpoint.file_changes import HUNT
from integrations.connectors.defender_endpoint.gatherers import GATHERERS
from integrations.contract import Feed, Manifest, Organisation, Permission, RateLimit, SetUpStep
from integrations.envelopes import Exploder
from integrations.microsoft import registration
from integrations.microsoft.standing import of_roles

_API = "https://learn.microsoft.com/defender-endpoint/api"
_APP = f"{_API}/exposed-apis-create-app-webapp"
# Each with a page of the vendor's that names it.
_PERMISSIONS = {
    READ_MACHINES: "get-machines",
    feeds.ALERTS: "get-alerts",
    feeds.VULNERABILITIES: "get-assessment-software-vulnerabilities",
    feeds.SOFTWARE: "get-assessment-software-inventory",
    "User.Read.All": "get-machine-log-on-users",
    HUNT: "run-advanced-query-api",
    "Machine.Isolate": "isolate-machine",
    "Machine.RestrictExecution": "restrict-code-execution",
    "Machine.Scan": "run-av-scan",
    "Machine.CollectForensics": "collect-investigation-package",
    "Machine.StopAndQuarantine": "stop-and-quarantine-file",
    "Ti.ReadWrite.All": "post-ti-indicator",
}


def _permission(name: str, page: str) -> Permission:
    return Permission(
        name,
        f"In the app registration, under API permissions, choose APIs my organization uses, "
        f"WindowsDefenderATP, and add the application permission {name}; then grant admin consent.",
        f"{_API}/{page}",
    )


MANIFEST = Manifest(
    id="defender_endpoint",
    vendor="Microsoft",
    title="Microsoft Defender for Endpoint",
    documentation=_APP,
    settings={
        **registration.SETTINGS,
        "api_endpoint": f"Optional: the API's address, default {PUBLIC}; nearer to the client is "
        "quicker, such as https://eu.api.security.microsoft.com.",
    },
    secrets=registration.SECRETS,
    permissions=tuple(_permission(name, page) for name, page in _PERMISSIONS.items()),
    rate_limits=(
        RateLimit("app and tenant, each API, a minute", 100, 60, f"{_API}/get-machines"),
        RateLimit("app and tenant, each API, an hour", 1_500, 3_600, f"{_API}/get-machines"),
        RateLimit("tenant, advanced hunting, a minute", 45, 60, f"{_API}/run-advanced-query-api"),
        RateLimit("app and tenant, exports of vulnerabilities and software", 30, 60,
                  f"{_API}/get-assessment-software-vulnerabilities"),
    ),
    set_up=(
        SetUpStep("Use the client's app registration of Microsoft 365, or register another in the "
                  "client's Entra ID, and note its tenant ID and client ID.", _APP),
        SetUpStep("Add the permissions of WindowsDefenderATP for the feeds and actions that you "
                  "want, then grant admin consent.", _APP),
        SetUpStep("Create a client secret and note its Value; it is shown once.", _APP),
        SetUpStep("Let Defender block addresses and domains: switch on custom network indicators "
                  "under Settings, Endpoints, Advanced features.",
                  "https://learn.microsoft.com/defender-endpoint/indicator-ip-domain"),
    ),
    feeds=(
        Feed(
            name="machines", title="Computers", permissions=(READ_MACHINES,),
            normalise=normalise.machine, fetch=feeds.machines, interval_seconds=3_600,
            lists=("device",),
            documentation=f"{_API}/get-machines",
        ),
        Feed(
            name="alerts", title="Alerts with their evidence", permissions=(feeds.ALERTS,),
            normalise=normalise.alert, fetch=feeds.alerts, interval_seconds=60,
            documentation=f"{_API}/get-alerts",
        ),
        Feed(
            name="vulnerabilities", title="Known holes by computer and program",
            permissions=(feeds.VULNERABILITIES,), normalise=normalise.vulnerability,
            fetch=feeds.vulnerabilities, interval_seconds=21_600,
            documentation=f"{_API}/get-assessment-software-vulnerabilities",
        ),
        Feed(
            name="software", title="Installed programs", permissions=(feeds.SOFTWARE,),
            normalise=normalise.software, fetch=feeds.software, interval_seconds=86_400,
            lists=("software",),
            documentation=f"{_API}/get-assessment-software-inventory",
        ),
    ),
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(at=("tenant_id",), told=lambda client: client.directory()),
    standing=lambda client: of_roles(client.granted(), _PERMISSIONS),
    explode=Exploder(lists=("value", "records", "results")),
)  # fmt: skip
