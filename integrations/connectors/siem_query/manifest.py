"""A SIEM of any vendor, described by data: it brings no records, only an audit."""

from integrations.connectors.siem_query.client import SEARCH, canary, connect
from integrations.connectors.siem_query.survey import SIEM
from integrations.contract import Manifest, Organisation, Permission, SetUpStep
from integrations.envelopes import Exploder

_DOCS = "https://docs.opensearch.org/latest/api-reference/search-apis/search/"

MANIFEST = Manifest(
    id="siem_query",
    vendor="Any",
    title="Other SIEM (queries)",
    documentation=_DOCS,
    settings={
        "endpoint": "The address that answers queries, such as https://siem.example.com/api/search.",
        "method": "Optional: GET or POST; POST where it is empty.",
        "body": "What is asked, as a JSON object with {query}, and {since} and {until} where the "
        'SIEM wants times, such as {"search": "{query}", "from": "{since}"}. For GET: the '
        "parameters.",
        "rows": "Optional: where the rows stand in the answer, such as results or hits.hits.",
        "columns": "Optional: where the names of the columns stand, if rows are lists.",
        "header": "Optional: the header that takes the key; Authorization where it is empty.",
        "scheme": "Optional: what stands before the key there, such as Bearer.",
        "sources_query": "The query that gives one row for each log source.",
        "sources_fields": "Its columns: name=… last=… rows=…, such as name=sourcetype "
        "last=lastTime rows=total.",
        "expected": "Optional: which log sources should arrive, with the hours after which they "
        "are late, such as wineventlog=3, o365=12.",
        "rules_query": "Optional: the query that gives one row for each rule.",
        "rules_fields": "Optional: its columns, of id, title, enabled, query, source, changed, "
        "alerts and failure, such as title=name enabled=is_on.",
        "language": "Optional: kql or opensearch, to run our rules there as queries.",
        "event_id": "Optional: where a row has the vendor's id of the event.",
    },
    secrets={"key": "The key or token that the SIEM wants to see."},
    permissions=(
        Permission(
            SEARCH,
            "Give the key a role that may search the client's log sources and nothing else.",
            _DOCS,
        ),
    ),
    rate_limits=(),
    set_up=(
        SetUpStep("At the SIEM make a key that may only search, for this client's log sources "
                  "only."),
        SetUpStep("Try the two queries in the SIEM itself first: one row for each log source with "
                  "the time of its newest event, and one row for each rule."),
    ),
    feeds=(),
    actions=(),
    gatherers=(),
    connect=connect,
    canary=canary,
    organisation=Organisation(at=("endpoint", "body")),
    explode=Exploder(lists=("results", "rows")),
    siem=SIEM,
)  # fmt: skip
