"""DNS: what protects the client's domains, and what of them leads nowhere. Only public records."""

from integrations.connectors.dns import feeds
from integrations.connectors.dns.client import canary, connect, domains_of
from integrations.connectors.dns.normalise.domains import normalise
from integrations.contract import Feed, Manifest, Organisation, SetUpStep
from integrations.envelopes import Exploder

_DNS = "https://www.rfc-editor.org/rfc/rfc1035"
_DMARC = "https://www.rfc-editor.org/rfc/rfc7489"

MANIFEST = Manifest(
    id="dns",
    vendor="DNS",
    title="DNS",
    documentation=_DNS,
    settings={
        "domains": "The client's domains, with commas between, also those that send no mail.",
        "names": "Optional: further host names below these domains that may lead to services of "
        "others, such as events.acme.com.",
        "selectors": "Optional: further DKIM selectors that are in use; common ones are known.",
        "resolver": "Optional: address of the name server to ask, such as 9.9.9.9; this machine's "
        "own where it is empty.",
    },
    secrets={},
    permissions=(),
    rate_limits=(),
    set_up=(
        SetUpStep(
            "Enter all domains that the client owns: one that sends no mail can still be forged."
        ),
        SetUpStep(
            "Ask whoever sends mail for the client which DKIM selectors they use, and enter those.",
            "https://www.rfc-editor.org/rfc/rfc6376",
        ),
        SetUpStep(
            "Let this installation ask a name server: port 53, UDP and TCP.", _DNS
        ),
    ),
    feeds=(
        Feed(
            name="domains", title="Domains and their mail protection", permissions=(),
            normalise=normalise, fetch=feeds.domains, interval_seconds=21_600, lists=("domain",),
            documentation=_DMARC,
        ),
    ),
    actions=(),
    gatherers=(),
    connect=connect,
    canary=canary,
    organisation=Organisation(part="domains", split=domains_of),
    explode=Exploder(lists=("domains",)),
)  # fmt: skip
