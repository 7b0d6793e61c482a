"""The SIEM products that are known, so that an address and a token are enough.

Where no product is chosen, the connection's settings describe what to ask.
"""

import base64
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.connectors.siem_query import elastic, opensearch, splunk, survey
from integrations.connectors.siem_query.client import QueryClient, described
from integrations.connectors.siem_query.elastic import ElasticClient
from integrations.connectors.siem_query.opensearch import OpenSearchClient
from integrations.connectors.siem_query.search import SEARCH
from integrations.connectors.siem_query.splunk import SplunkClient
from integrations.errors import ConnectionMisconfigured
from integrations.session import ApiToken, Session
from integrations.siem.records import Hits, Language, Query, Siem, Survey
from integrations.transport import Limits, Transport

PRODUCTS: Final = ("elasticsearch", "opensearch", "splunk")
Client = QueryClient | ElasticClient | OpenSearchClient | SplunkClient
# Splunk's index names and patterns; those of the others have a wider alphabet.
_INDICES = re.compile(r"[A-Za-z0-9_.*,\-]{1,500}")
_SPLUNK_INDEX = re.compile(r"[a-z0-9_*\-]{1,80}")
_FIELD = re.compile(r"[A-Za-z0-9_@.\-]{1,200}")
_SPACE = re.compile(r"[a-z0-9_\-]{1,100}")


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> Client:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {name: (value or "").strip() for name, value in {**settings, **secrets}.items()}
    for name in ("endpoint", "key"):
        if not given.get(name):
            raise ConnectionMisconfigured(f"The SIEM's connection lacks {name}: enter it.")
    product = given.get("product", "").lower()
    if product not in ("", *PRODUCTS):
        raise ConnectionMisconfigured(
            f"product must be one of {', '.join(PRODUCTS)}, or stay empty where you describe the "
            "queries yourself."
        )
    check_endpoint(given["endpoint"], allow_private=private)
    transport = Transport(
        allow_private=private, limits=limits, authority=given.get("authority", "")
    )
    if not product:
        return described(given, transport)
    if product == "splunk":
        index = _shaped(given, "index", _SPLUNK_INDEX, splunk.INDEX)
        return SplunkClient(Session(given["endpoint"], transport, ApiToken(given["key"])), index)
    if product == "opensearch":
        return OpenSearchClient(
            Session(given["endpoint"], transport, _token(given["key"], "Bearer")),
            _shaped(given, "index", _INDICES, opensearch.INDEX),
            _shaped(given, "source_field", _FIELD, opensearch.SOURCE_FIELD),
        )
    return ElasticClient(
        Session(given["endpoint"], transport, _token(given["key"], "ApiKey")),
        _kibana(given, private, limits),
        _shaped(given, "space", _SPACE, "default"),
        _shaped(given, "index", _INDICES, elastic.INDEX),
        _shaped(given, "source_field", _FIELD, elastic.SOURCE_FIELD),
    )


def _shaped(given: Mapping[str, str], name: str, shape: re.Pattern[str], otherwise: str) -> str:
    value = given.get(name) or otherwise
    if not shape.fullmatch(value):
        raise ConnectionMisconfigured(f"{name} has signs that it can't have: {value[:60]}")
    return value


def _token(key: str, scheme: str) -> ApiToken:
    """A key of its own, or a user's name and password with a colon between."""
    if ":" in key:
        return ApiToken(base64.b64encode(key.encode()).decode(), scheme="Basic")
    return ApiToken(key, scheme=scheme)


def _kibana(given: Mapping[str, str], private: bool, limits: Limits | None) -> Session | None:
    if not given.get("kibana"):
        return None
    check_endpoint(given["kibana"], allow_private=private)
    transport = Transport(
        allow_private=private, limits=limits, authority=given.get("authority", "")
    )
    return Session(given["kibana"], transport, _token(given["key"], "ApiKey"))


def look(client: Client, names: Sequence[str], days: int) -> Survey:
    """Read all that an audit judges."""
    match client:
        case ElasticClient():
            return elastic.survey(client, names, days)
        case OpenSearchClient():
            return opensearch.survey(client, names, days)
        case SplunkClient():
            return splunk.survey(client, names, days)
    return survey.survey(client, names, days)


def run(client: Client, query: Query, since: dt.datetime, until: dt.datetime) -> Hits:
    """Run one of our rules there."""
    match client:
        case ElasticClient() | OpenSearchClient():
            return client.run(query, since, until)
        case SplunkClient():
            return splunk.run(client, query, since, until)
    return survey.run(client, query, since, until)


def canary(client: Client) -> str:
    """Ask which log sources arrive through the whole path; say in a sentence what was seen."""
    until = dt.datetime.now(dt.UTC)
    since = until - dt.timedelta(days=1)
    found: Any
    match client:
        case ElasticClient() | OpenSearchClient():
            found, _ = client.sources(since, until)
        case SplunkClient():
            found = client.rows(
                f"| tstats count WHERE index={client.index} BY sourcetype", since, until
            )
        case _:
            found = client.rows(client.settings["sources_query"], since, until)
    return f"Connected to the SIEM, where {len(found)} log sources had events in the last day."


def language(settings: Mapping[str, str]) -> Language:
    """Return the language of a product, or the one that the settings name."""
    match settings.get("product", "").strip().lower():
        case "elasticsearch":
            return "ecs"
        case "splunk":
            return "spl"
        case "opensearch":
            # Its indices have no fields of their own; where Elastic's are used, that is entered.
            return "ecs" if settings.get("language", "").strip() == "ecs" else ""
    return survey.language(settings)


def expects(settings: Mapping[str, str]) -> str:
    """Return the column of expected.yml that a product has."""
    told = settings.get("product", "").strip().lower()
    return told if told in ("elasticsearch", "splunk") else ""


SIEM: Final = Siem(
    permissions=(SEARCH, elastic.RULES, opensearch.ANALYTICS), survey=look, run=run,
    language=language, expects=expects, entered=survey.entered,
)  # fmt: skip
