"""JSON batching: up to 20 requests in one, each with its own answer.

Source: https://learn.microsoft.com/graph/json-batching
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.simulators.base.store import Record

from .errors import GraphError, bad_request
from .graph import Answer, Request

LIMIT = 20
Run = Callable[[Record], Answer]


def answer_batch(request: Request, run: Run) -> Answer:
    """Carry out the requests in the order that dependsOn asks; `run` does one of them."""
    items = _items(request)
    statuses: dict[str, int] = {}
    responses: list[Record] = []
    for item in _ordered(items):
        needs = [statuses[name] for name in item.get("dependsOn", [])]
        if any(status >= 400 for status in needs):
            error = GraphError(424, "FailedDependency", "A request that this depends on failed.")
            answer = Answer(424, error.body())
        else:
            answer = run(item)
        statuses[item["id"]] = answer.status
        responses.append(_response(item["id"], answer))
    return Answer(200, {"responses": responses})


def _response(item_id: str, answer: Answer) -> Record:
    headers = dict(answer.headers)
    response: Record = {"id": item_id, "status": answer.status}
    if answer.body is not None:
        headers.setdefault("Content-Type", "application/json")
        response["body"] = answer.body
    if headers:
        response["headers"] = headers
    return response


def _items(request: Request) -> list[Record]:
    items: Any = request.json({"requests"}).get("requests")
    if not isinstance(items, list) or not items:
        raise bad_request("A batch needs at least one request.")
    if len(items) > LIMIT:
        raise bad_request(
            f"Number of batch request steps exceeds the maximum value of {LIMIT}.",
            "MaximumValueExceeded",
        )
    names = set()
    for item in items:
        if not isinstance(item, dict) or not all(
            isinstance(item.get(key), str) for key in ("id", "method", "url")
        ):
            raise bad_request("Each request of a batch needs an id, a method and a url.")
        if item["id"] in names:
            raise bad_request(f"The id '{item['id']}' is used twice in the batch.")
        names.add(item["id"])
        headers = {str(name).lower() for name in item.get("headers") or {}}
        if "body" in item and "content-type" not in headers:
            raise bad_request(
                f"Write request id : {item['id']} does not contain Content-Type header or body."
            )
    return items


def _ordered(items: list[Record]) -> list[Record]:
    """Requests after those that they depend on; 400 where that is not possible."""
    waiting, ordered = list(items), []
    done: set[str] = set()
    while waiting:
        ready = [item for item in waiting if set(item.get("dependsOn", [])) <= done]
        if not ready:
            raise bad_request("The dependsOn of the batch's requests can't be satisfied.")
        for item in ready:
            ordered.append(item)
            done.add(item["id"])
        waiting = [item for item in waiting if item["id"] not in done]
    return ordered
