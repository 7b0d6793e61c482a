"""An OData service of Microsoft: paths with options, objects, and collections page by page.

Sources: https://learn.microsoft.com/graph/query-parameters, /graph/paging,
https://learn.microsoft.com/defender-endpoint/api/exposed-apis-odata-samples.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from integrations.errors import Rejected, Unavailable
from integrations.session import Session

JsonObject = dict[str, Any]


def address(template: str, *ids: str, **options: str | int) -> str:
    """Return a path with `ids` put into its ``{}``, and OData options.

    Option names are given without ``$``: ``address("/users/{}", id, select="id")``.
    """
    path = template.format(*(quote(i, safe="") for i in ids))
    if not options:
        return path
    query = urlencode({f"${k}": str(v) for k, v in options.items()}, quote_via=quote, safe="(),/':")
    return f"{path}?{query}"


def quoted(text: str) -> str:
    """A text as it stands between the quotes of a filter."""
    return text.replace("'", "''")


def literal(moment: dt.datetime) -> str:
    """A time as a filter wants it: UTC, whole seconds."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ODataClient:
    """A service for one connection, ready to be asked. Every method raises `integrations.errors`.

    Paths are relative to the session's base address, or full links of the same host.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.session.base_url}>"

    def close(self) -> None:
        """Give back the sockets and forget the token."""
        self.session.close()

    def get(self, path: str, permission: str) -> Any:
        """Read one resource."""
        return self.session.get(path, permission)

    def write(self, method: str, path: str, permission: str, body: Any = None) -> Any:
        """Change something; return the answer's body. Never repeated, save once after a 401."""
        return self.session.write(method, path, permission, body)

    def page(self, path: str, permission: str) -> tuple[list[JsonObject], str, str]:
        """Read one page of a collection: its objects, the next page's link, the delta link."""
        body = self.get(path, permission)
        if not isinstance(body, Mapping) or not isinstance(body.get("value"), list):
            raise Unavailable(
                f"GET {urlsplit(path).path}: the answer is no collection; it is tried again."
            )
        records = [r if isinstance(r, dict) else {"_value": r} for r in body["value"]]
        return records, self.link(body), self._link(body.get("@odata.deltaLink"))

    def link(self, body: Mapping[str, Any]) -> str:
        """Return the address of the page after this one, "" where there is none."""
        return self._link(body.get("@odata.nextLink"))

    def pages(self, path: str, permission: str) -> Iterator[list[JsonObject]]:
        """Read a collection page by page. A link that leads back to itself ends it."""
        seen = set()
        while path and path not in seen:
            seen.add(path)
            records, path, _ = self.page(path, permission)
            yield records

    def all(self, path: str, permission: str, most: int = 10_000) -> list[JsonObject]:
        """Read a whole collection, at most `most` objects."""
        found: list[JsonObject] = []
        for records in self.pages(path, permission):
            found.extend(records)
            if len(found) >= most:
                break
        return found[:most]

    def _link(self, link: Any) -> str:
        """A link that an answer gave: it must lead to the same host, or our token would leak."""
        if not link:
            return ""
        if not isinstance(link, str) or link.startswith("/"):
            raise Rejected("The answer's next link is no address; it is not followed.")
        return self.session.url(link)
