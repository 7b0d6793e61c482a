"""The generic webhook: any source that can sign what it sends, and files of the same forms."""

from integrations import signing
from integrations.connectors.webhook import reading
from integrations.connectors.webhook.client import DELIVER, canary, connect
from integrations.connectors.webhook.normalise import dispatch, ocsf_records
from integrations.contract import Feed, Manifest, Permission, SetUpStep

_SPEC = "https://www.standardwebhooks.com/"
_OCSF = "https://schema.ocsf.io/1.8.0/"
_CEF = (
    "https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors-8.4/"
    "cef-implementation-standard/"
)
_SYSLOG = "https://www.rfc-editor.org/rfc/rfc5424"
_JSON = "https://www.rfc-editor.org/rfc/rfc8259"

FEEDS = (
    Feed(
        name="ocsf", title="OCSF events", permissions=(DELIVER,), is_pushed=True,
        normalise=ocsf_records.read, documentation=_OCSF,
    ),
    Feed(
        name="cef", title="CEF lines", permissions=(DELIVER,), is_pushed=True,
        normalise=dispatch.by_cef({}), configured=dispatch.by_cef, read=reading.lines,
        documentation=_CEF,
    ),
    Feed(
        name="syslog", title="Log lines", permissions=(DELIVER,), is_pushed=True,
        normalise=dispatch.by_lines({}), configured=dispatch.by_lines, read=reading.lines,
        documentation=_SYSLOG,
    ),
    Feed(
        name="json", title="JSON, by a mapping", permissions=(DELIVER,), is_pushed=True,
        normalise=dispatch.by_mapping({}), configured=dispatch.by_mapping, documentation=_JSON,
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="webhook",
    vendor="Any",
    title="Webhook and file",
    documentation=_SPEC,
    settings={
        "feed": "What the source sends: ocsf, cef, syslog or json.",
        "mapping": "Optional: for json, which field is what: JSON, as docs/webhooks.md explains.",
        "time_zone": "Optional: time zone of times that name none, such as Europe/London; "
        "UTC where it is empty.",
        "alert_from": "Optional: the lowest CEF severity, 0 to 10, that is an alert; 7 where it "
        "is empty.",
    },
    secrets={
        signing.KEY: "Optional: the key with which the source signs (whsec_…); where it is empty "
        "Holdfast makes one.",
    },
    permissions=(
        Permission(
            DELIVER,
            "Give the source the address and the signing key that `manage.py webhook show` prints, "
            "and have it sign each delivery by Standard Webhooks.",
            _SPEC,
        ),
    ),
    rate_limits=(),
    set_up=(
        SetUpStep(
            "Make the connection with the feed that the source sends; for JSON write its mapping."
        ),
        SetUpStep(
            "Enter the connection's address and signing key at the source, and have it send by "
            "POST, signed by Standard Webhooks.",
            _SPEC,
        ),
        SetUpStep(
            "Have the source send one record, and look whether it arrived or was quarantined."
        ),
    ),
    feeds=FEEDS,
    actions=(),
    gatherers=(),
    connect=connect,
    canary=canary,
    explode=reading.explode,
)
