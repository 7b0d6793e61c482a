"""Any SIEM that answers queries with JSON over HTTPS, as a connection's settings describe it.

The body is a template: `{query}`, `{since}` and `{until}` in its texts are filled in; a text that
is nothing but `{query}` becomes the query itself, which may be an object.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from integrations.errors import ConnectionMisconfigured, Unavailable
from integrations.session import ApiToken, Session
from integrations.transport import Call, Transport

SEARCH: Final = "search"
_MOST_ROWS = 50_000
_PAIR = re.compile(r"([a-z]+)=(\S+)")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")

Row = Mapping[str, Any]


class QueryClient:
    """One SIEM, ready to be asked. Methods raise `integrations.errors`."""

    def __init__(self, session: Session, settings: Mapping[str, str], body: Any) -> None:
        self.settings = settings
        self._session = session
        self._body = body
        self._is_get = settings.get("method", "").upper() == "GET"

    def __repr__(self) -> str:
        return f"<QueryClient {self._session.base_url}>"

    def close(self) -> None:
        """Give back the sockets."""
        self._session.close()

    def rows(self, query: Any, since: dt.datetime, until: dt.datetime) -> list[Row]:
        """Run a query of the time from `since` and before `until`; its rows as objects."""
        body = _filled(self._body, {
            "query": query, "since": _moment(since), "until": _moment(until),
        })  # fmt: skip
        place = self._session.base_url
        if self._is_get:
            call = Call("GET", self._session.url(place, body), permission=SEARCH)
        else:
            call = Call("POST", place, json=body, permission=SEARCH, is_read=True)
        answer = self._session.send(call).body
        found = at(answer, self.settings.get("rows", ""))
        if not isinstance(found, list):
            raise Unavailable(
                "The answer holds no list of rows at the path that the connection's setting rows "
                "names."
            )
        return _objects(found[:_MOST_ROWS], at(answer, self.settings.get("columns", "")))


def at(value: Any, path: str) -> Any:
    """Return what stands at a path such as ``hits.total.value``; None where nothing does."""
    for step in filter(None, path.split(".")):
        if isinstance(value, list) and step.isdecimal():
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            return None
    return value


def _objects(rows: list[Any], columns: Any) -> list[Row]:
    if not isinstance(columns, list):
        return [row for row in rows if isinstance(row, Mapping)]
    names = [str(one.get("name") if isinstance(one, Mapping) else one) for one in columns]
    return [
        dict(zip(names, row, strict=True))
        for row in rows
        if isinstance(row, list) and len(row) == len(names)
    ]


def _filled(template: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(template, Mapping):
        return {name: _filled(value, given) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, given) for value in template]
    if not isinstance(template, str):
        return template
    if template in ("{query}", "{since}", "{until}"):
        return given[template[1:-1]]
    parts = re.split(r"\{(query|since|until)\}", template)
    return "".join(
        (given[part] if isinstance(given[part], str) else json.dumps(given[part]))
        if place % 2 else part
        for place, part in enumerate(parts)
    )  # fmt: skip


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pairs(settings: Mapping[str, str], name: str) -> dict[str, str]:
    """Return a setting such as ``name=sourcetype last=lastTime`` as its parts."""
    return dict(_PAIR.findall(settings.get(name, "")))


def described(given: Mapping[str, str], transport: Transport) -> QueryClient:
    """Return a client for a SIEM that a connection's settings describe; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    for name in ("body", "sources_query", "sources_fields"):
        if not given.get(name):
            raise ConnectionMisconfigured(
                f"The SIEM's connection lacks {name}: enter it, or choose a product."
            )
    if given.get("method", "").upper() not in ("", "GET", "POST"):
        raise ConnectionMisconfigured("method must be GET or POST.")
    if given.get("language", "") not in ("", "kql", "opensearch", "ecs"):
        raise ConnectionMisconfigured("language must be kql, opensearch or ecs, or stay empty.")
    if not {"name", "last"} <= pairs(given, "sources_fields").keys():
        raise ConnectionMisconfigured(
            "sources_fields must say which columns hold what, such as name=sourcetype last=last."
        )
    header = given.get("header") or "Authorization"
    if not _HEADER.fullmatch(header):
        raise ConnectionMisconfigured("header must be a header's name, such as X-Api-Key.")
    token = ApiToken(given["key"], scheme=given.get("scheme", ""), header=header)
    return QueryClient(Session(given["endpoint"], transport, token), given, _template(given))


def _template(given: Mapping[str, str]) -> dict[str, Any]:
    try:
        body = json.loads(given["body"])
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or "{query}" not in given["body"]:
        raise ConnectionMisconfigured(
            'body must be a JSON object with {query} in it, such as {"search": "{query}"}.'
        )
    return body
