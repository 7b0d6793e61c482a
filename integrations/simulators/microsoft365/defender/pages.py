"""Collections of Defender for Endpoint's API, page by page.

$filter only on what the vendor documents for each collection, $top and $skip, and a next link where
the service gives fewer than asked. The exports of vulnerability management have a pageSize and a
token instead. Source: https://learn.microsoft.com/defender-endpoint/api/exposed-apis-odata-samples
"""

from __future__ import annotations

from collections.abc import Sequence

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, cut
from integrations.simulators.base.store import Record
from integrations.simulators.microsoft365 import odata
from integrations.simulators.microsoft365.errors import GraphError

from .errors import DefenderError

METADATA = "https://api.securitycenter.microsoft.com/api/$metadata"
_MOST = 10_000
_MOST_EXPORTED = 200_000


def listing(
    request: Request,
    records: Sequence[Record],
    context: str,
    *,
    filterable: Sequence[str] = (),
    expandable: str = "",
) -> Answer:
    """A page of a collection. `expandable` is left empty in each record unless it is expanded."""
    options = dict(request.options)
    allowed = {"$filter", "$top", "$skip", *(("$expand",) if expandable else ())}
    _refuse_unknown(options, allowed)
    found = _filtered(list(records), options.get("$filter"), filterable)
    if expandable and expandable not in options.get("$expand", "").split(","):
        found = [{**record, expandable: []} for record in found]
    start, asked = _number(options, "$skip", 0, None), _number(options, "$top", _MOST, _MOST)
    wanted = found[: start + asked]
    size = min(asked, request.largest_page)
    page, following = cut(wanted, start, size, request.faults)
    body: Record = {"@odata.context": f"{METADATA}#{context}", "value": page}
    if following is not None:
        options["$skip"] = str(following)
        if "$top" in options:
            options["$top"] = str(start + asked - following)
        body["@odata.nextLink"] = odata.link(request.base, request.path, options)
    return Answer(200, body)


def exported(request: Request, records: Sequence[Record], kind: str, *also: str) -> Answer:
    """A page of an export; `also` are the options beside the page's size and token."""
    options = dict(request.options)
    _refuse_unknown(options, {"pageSize", "$skiptoken", *also})
    asked = _number(options, "pageSize", 50_000, _MOST_EXPORTED)
    start = int(odata.decode_token(options["$skiptoken"])["skip"]) if "$skiptoken" in options else 0
    page, following = cut(records, start, min(asked, request.largest_page), request.faults)
    context = f"{METADATA}#Collection(microsoft.windowsDefenderATP.api.{kind})"
    body: Record = {"@odata.context": context, "value": page}
    if following is not None:
        options["$skiptoken"] = odata.encode_token({"skip": following})
        body["@odata.nextLink"] = odata.link(request.base, request.path, options)
    return Answer(200, body)


def _refuse_unknown(options: Record, allowed: set[str]) -> None:
    for name in options:
        if name not in allowed:
            raise DefenderError(400, "ODataError", f"The option {name} is not supported.")


def _filtered(records: list[Record], text: str | None, filterable: Sequence[str]) -> list[Record]:
    if text is None:
        return records
    try:
        holds = odata.compile_filter(text, {*filterable, "-"})
    except GraphError as error:
        raise DefenderError(400, "ODataError", error.message) from error
    return [record for record in records if holds(record)]


def _number(options: Record, name: str, default: int, most: int | None) -> int:
    text = str(options.get(name, default))
    if not text.isdigit() or (most is not None and not 1 <= int(text) <= most):
        raise DefenderError(400, "ODataError", f"The value '{text}' of {name} is not valid.")
    return int(text)
