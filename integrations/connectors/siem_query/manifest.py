"""A SIEM of a known product, or of any that data describes: it brings no records, only an audit."""

from integrations.connectors.siem_query import elastic, opensearch
from integrations.connectors.siem_query.products import SIEM, canary, connect
from integrations.connectors.siem_query.search import SEARCH
from integrations.contract import Manifest, Organisation, Permission, SetUpStep
from integrations.envelopes import Exploder

_ELASTIC = "https://www.elastic.co/docs/deploy-manage/api-keys/elasticsearch-api-keys"
_OPENSEARCH = "https://docs.opensearch.org/latest/security-analytics/security/"
_SPLUNK = "https://help.splunk.com/en/splunk-enterprise/administer/manage-users-and-security"
_DOCS = "https://docs.opensearch.org/latest/api-reference/search-apis/search/"
_DESCRIBED = "Optional, only without a product:"

MANIFEST = Manifest(
    id="siem_query",
    vendor="Any",
    title="Other SIEM (queries)",
    documentation=_DOCS,
    settings={
        "endpoint": "The address that answers searches: https://elastic.example.com:9200 of "
        "Elasticsearch or OpenSearch, https://splunk.example.com:8089 of Splunk.",
        "product": "Optional: with a known product no query has to be entered. Without, the "
        "queries below describe your SIEM.",
        "kibana": "Optional, of Elasticsearch: Kibana’s address, for its detection rules, such as "
        "https://kibana.example.com:5601.",
        "space": "Optional, of Elasticsearch: Kibana’s space; default where it is empty.",
        "index": "Optional: which indices hold this client’s events, such as logs-*-acme; all of "
        "the usual ones where it is empty. Where it is entered, rules on others are left out.",
        "source_field": "Optional, of Elasticsearch and OpenSearch: the field that names an event’s"
        " log source; event.dataset or the index where it is empty.",
        "authority": "Optional: the certificate (PEM) of your own authority, if the SIEM’s comes "
        "from there.",
        "expected": "Optional: which other log sources should arrive, with the hours after which "
        "they are late, such as wineventlog=3, o365=12.",
        "language": "Optional: in which language our rules run there as queries; a product has its "
        "own.",
        "method": f"{_DESCRIBED} how it is asked; POST where it is empty.",
        "body": f"{_DESCRIBED} what is asked, as a JSON object with {{query}}, and {{since}} and "
        '{until} where the SIEM wants times, such as {"search": "{query}", "from": "{since}"}. '
        "For GET: the parameters.",
        "rows": f"{_DESCRIBED} where the rows stand in the answer, such as results or hits.hits.",
        "columns": f"{_DESCRIBED} where the names of the columns stand, if rows are lists.",
        "header": f"{_DESCRIBED} the header that takes the key; Authorization where it is empty.",
        "scheme": f"{_DESCRIBED} what stands before the key there, such as Bearer.",
        "sources_query": f"{_DESCRIBED} the query that gives one row for each log source.",
        "sources_fields": f"{_DESCRIBED} its columns: name=… last=… rows=…, such as "
        "name=sourcetype last=lastTime rows=total.",
        "rules_query": f"{_DESCRIBED} the query that gives one row for each rule.",
        "rules_fields": f"{_DESCRIBED} its columns, of id, title, enabled, query, source, changed, "
        "alerts and failure, such as title=name enabled=is_on.",
        "event_id": f"{_DESCRIBED} where a row has the vendor’s id of the event.",
    },
    choices={
        "product": {
            "elasticsearch": "Elasticsearch with Kibana", "opensearch": "OpenSearch",
            "splunk": "Splunk",
        },
        "language": {"kql": "KQL", "opensearch": "OpenSearch", "ecs": "Elasticsearch with ECS"},
        "method": {"get": "GET", "post": "POST"},
    },
    secrets={
        "key": "What the SIEM wants to see: an API key (encoded) of Elasticsearch, a token of "
        "Splunk, or name:password of a user of Elasticsearch or OpenSearch.",
    },
    permissions=(
        Permission(
            SEARCH,
            "Give the key a role that may search the client’s log sources and nothing else: the "
            "privilege read on its indices, in Splunk also on _internal and _audit.",
            _ELASTIC,
        ),
        Permission(
            elastic.RULES,
            "Give the key’s role in Kibana the feature Security with Read, and the privilege read "
            "on .alerts-security.alerts-*.",
            "https://www.elastic.co/docs/solutions/security/detect-and-alert/detections-requirements",
        ),
        Permission(
            opensearch.ANALYTICS, "Map the user to this role of OpenSearch’s own.", _OPENSEARCH
        ),
    ),
    rate_limits=(),
    set_up=(
        SetUpStep("Choose which product it is. For any other SIEM choose none and enter queries, "
                  "after trying them there."),
        SetUpStep("Elasticsearch: make an API key with the privilege read on the client’s indices "
                  "and on .alerts-security.alerts-*, and in Kibana the feature Security with Read. "
                  "Nothing else.", _ELASTIC),
        SetUpStep("OpenSearch: make a user with the role security_analytics_read_access and read "
                  "on the client’s indices; enter it as name:password.", _OPENSEARCH),
        SetUpStep("Splunk: make a token for a user whose role may search the client’s indexes, "
                  "_internal and _audit, and nothing else.", _SPLUNK),
    ),
    feeds=(),
    actions=(),
    gatherers=(),
    connect=connect,
    canary=canary,
    organisation=Organisation(at=("endpoint", "body", "index", "space")),
    explode=Exploder(lists=("results", "rows")),
    siem=SIEM,
)  # fmt: skip
