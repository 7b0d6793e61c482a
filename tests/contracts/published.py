"""The vendors' published contracts in ../shared/contracts, and recordings checked against them.

A contract that is no OpenAPI document (discovery documents, lists of parameters, lists of URLs) is
made one here, with as much as the vendor says; where the vendor has pages only, `documented` reads
what they say. `CROWDSTRIKE(recording)` fails where a recording (NDJSON: method, url, request_body,
status, headers, body) breaks the contract, and skips where ../shared is absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import yaml

from tests.contracts import discovery, documented
from tests.contracts.openapi import Contract, Dialect, Schema, Violation

CONTRACTS = Path(__file__).parents[3] / "shared/contracts"
DOCUMENTED = Path(__file__).parent
GRAPH_CONTRACT = CONTRACTS / "msgraph-v1.0-subset.json"
WHY_ABSENT = f"the vendor's contract is not here: {GRAPH_CONTRACT.name} in ../shared/contracts"


class Judge(Protocol):
    """What judges exchanges: a contract, or several."""

    def covers(self, url: str) -> bool:
        """Whether a URL belongs to what it judges."""

    def check_exchange(
        self, method: str, url: str, request_body: Any, status: int, response_body: Any
    ) -> list[Violation]:
        """Every violation of one exchange."""


class Several:
    """The contracts of a vendor's services, each for its own addresses."""

    def __init__(self, *judges: Judge) -> None:
        self._judges = judges

    def covers(self, url: str) -> bool:
        """Whether one of them does."""
        return any(judge.covers(url) for judge in self._judges)

    def check_exchange(
        self, method: str, url: str, request_body: Any, status: int, response_body: Any
    ) -> list[Violation]:
        """By the first that covers the address."""
        judge = next(one for one in self._judges if one.covers(url))
        return judge.check_exchange(method, url, request_body, status, response_body)


class Cmdlets:
    """Exchange's cmdlets, which all go to one address: each is judged by its name."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def covers(self, url: str) -> bool:
        """Whether a URL runs a cmdlet."""
        return self._contract.covers(url)

    def check_exchange(
        self, method: str, url: str, request_body: Any, status: int, response_body: Any
    ) -> list[Violation]:
        """Judge its parameters and what it gave."""
        told = request_body.get("CmdletInput") if isinstance(request_body, dict) else None
        if not isinstance(told, dict) or told.keys() - {"CmdletName", "Parameters"}:
            path = urlsplit(url).path
            return [Violation(method, path, status, "request", "", "a CmdletInput", "another")]
        as_path = f"{self._contract.base}/{told.get('CmdletName')}"
        parameters = told.get("Parameters")
        return self._contract.check_exchange(method, as_path, parameters, status, response_body)


@dataclass(frozen=True)
class Published:
    """One vendor's contract: its file, how it is read, and where the file is.

    `more` are further files of the same contract; `read` is given the texts of all. `judges` says
    of what it tells: requests, answers, or both.
    """

    name: str
    read: Callable[..., Judge]
    folder: Path = CONTRACTS
    more: tuple[str, ...] = ()
    judges: tuple[str, ...] = ("requests", "answers")

    @property
    def files(self) -> list[Path]:
        """All its files."""
        return [self.folder / name for name in (self.name, *self.more)]

    @property
    def is_here(self) -> bool:
        """Whether all its files are there."""
        return all(path.exists() for path in self.files)

    def contract(self) -> Judge:
        """The judge; the test is skipped where a file is absent."""
        if not self.is_here:
            pytest.skip(f"the vendor's contract is not here: {self.name} in {self.folder.name}")
        return _read(self)

    def __call__(self, recording: Path) -> int:
        """Fail unless the recording holds exchanges and all conform; how many there were."""
        return assert_conforms(recording, self.contract())


@cache
def _read(published: Published) -> Judge:
    return published.read(*(path.read_text(encoding="utf-8") for path in published.files))


# The same function or segment is written in two ways; the contract knows one.
_GRAPH_ALIASES = (
    (re.compile(r"/microsoft\.graph\.delta\(\)$|/delta$"), "/delta()"),
    (re.compile(r"/(usersRegisteredByFeature|usersRegisteredByMethod)$"), r"/\1()"),
)


def _is_closed_in_graph(schema: Schema) -> bool:
    properties = schema.get("properties") or {}
    is_open = schema.get("x-open-type") or "discriminator" in schema
    return "@odata.type" in properties and not is_open


def _graph(text: str) -> Contract:
    dialect = Dialect(
        base="/v1.0",
        aliases=_GRAPH_ALIASES,
        closes=_is_closed_in_graph,
        # What the contract's types do not list although the vendor documents it.
        undeclared=frozenset({"@removed", "tags"}),
        undeclared_queries=frozenset({"$deltatoken"}),
    )
    return Contract(json.loads(text), dialect)


def _intune(text: str) -> Contract:
    """Graph's contract with Intune's audit log, which the subset leaves out."""
    return _graph(json.dumps(_with(json.loads(text), "intune_audit.yaml")))


def _with(document: Schema, name: str) -> Schema:
    """A published document with what is written down from the vendor's pages."""
    more = _documented(name).document
    for path, methods in more["paths"].items():
        document["paths"][path] = {**document["paths"].get(path, {}), **methods}
    for name_, schema in more["components"]["schemas"].items():
        document["components"]["schemas"].setdefault(name_, schema)
    return document


def _documented(name: str) -> Contract:
    return documented.read((DOCUMENTED / name).read_text("utf-8"))


def _microsoft365(text: str) -> Judge:
    """Graph, with what the subset leaves out, and the services that have pages only."""
    return Several(
        _graph(json.dumps(_with(json.loads(text), "graph_more.yaml"))),
        _documented("graph_beta.yaml"),
        _documented("management_activity.yaml"),
        Cmdlets(_documented("exchange_cmdlets.yaml")),
    )


def _crowdstrike(text: str) -> Contract:
    # The models are read from Go types, whose empty lists and pointers are written as null.
    # The stream itself is lines, not JSON.
    document = _with(json.loads(text), "crowdstrike_more.yaml")
    lacks = ("/sensors/entities/datafeed/v1/",)
    dialect = Dialect(gives_nulls=True, lacks=lacks, closes=documented.closes_own)
    return Contract(document, dialect)


def _ninjaone(text: str) -> Contract:
    # The sign-in service is none of the API's paths.
    return Contract(yaml.load(text, yaml.CSafeLoader), Dialect(lacks=("/ws/",)))


def _wazuh(text: str) -> Contract:
    """The manager's API, and the indexer's search, which is OpenSearch's own."""
    document = _with(yaml.load(text, yaml.CSafeLoader), "wazuh_indexer.yaml")
    return Contract(document, Dialect(closes=documented.closes_own))


def _sentinelone(text: str) -> Contract:
    """Lists of parameters for each method and path, and the answers as they are written down."""
    answers = yaml.safe_load((DOCUMENTED / "sentinelone_answers.yaml").read_text("utf-8"))
    schemas = documented.schemas(answers["types"])
    paths: dict[str, Schema] = {}
    for call, told in json.loads(text)["operations"].items():
        method, path = call.split(" ", 1)
        parameters = [_parameter(p) for p in told["params"] if p["in"] in ("query", "path")]
        operation: Schema = {
            "parameters": parameters,
            "responses": {"default": _said(answers["answers"].get(call), answers["types"])},
        }
        if any(p["in"] in ("body", "formData") for p in told["params"]):
            operation["requestBody"] = _CHOSEN if call in answers["bodies"] else {"content": {}}
        paths.setdefault(path, {})[method.lower()] = operation
    document = {"paths": paths, "components": {"schemas": schemas}}
    return Contract(document, Dialect(closes=documented.closes))


# What is to be done to whom: their ids, and the accounts and sites that they must be of.
_IDS: Schema = {"type": "array", "items": {"type": "string"}}
_CHOSEN: Schema = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "filter": {
                        "type": "object",
                        "properties": {"ids": _IDS, "siteIds": _IDS, "accountIds": _IDS},
                        "required": ["ids"],
                    },
                    "data": {"type": "object"},
                },
                "required": ["filter"],
            }
        }
    },
}


def _said(what: str | None, types: dict[str, Any]) -> Schema:
    """One answer of SentinelOne: a page of a list, how many were affected, or errors."""
    if what is None:
        return {}
    data: Schema = {"type": "object", "properties": {"affected": {"type": "integer"}}}
    if what != "affected":
        data = documented.type_of(what, types)
    page = {
        "nextCursor": {"type": "string", "nullable": True}, "totalItems": {"type": "integer"},
    }  # fmt: skip
    error = {
        "code": {"type": "integer"}, "detail": {"type": "string", "nullable": True},
        "title": {"type": "string"},
    }  # fmt: skip
    properties = {
        "data": data,
        "pagination": {"type": "object", "properties": page},
        "errors": {"type": "array", "items": {"type": "object", "properties": error}},
    }
    schema = {"type": "object", "properties": properties}
    return {"content": {"application/json": {"schema": schema}}}


def _parameter(told: dict[str, Any]) -> Schema:
    schema: Schema = {"type": told.get("type", "string")}
    if told.get("enum"):
        # Several values of an enumeration may be given, with commas between.
        schema = {"type": "array", "items": {"enum": told["enum"].split(",")}}
    return {
        "name": told["name"], "in": told["in"], "required": told["required"], "schema": schema,
    }  # fmt: skip


def _tactical_rmm(text: str) -> Contract:
    """Django's URL patterns, one a line: which paths there are, whatever the method."""
    paths: dict[str, Schema] = {}
    for line in text.splitlines():
        found = re.match(r"(\w+): (\S*)\s+->", line)
        if not found:
            continue
        converters = re.findall(r"<(?:(\w+):)?(\w+)>", found[2])
        path = f"/{found[1]}/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", found[2])
        parameters = [
            {
                "name": name, "in": "path",
                "schema": {"type": "integer" if kind == "int" else "string"},
            }
            for kind, name in converters
        ]  # fmt: skip
        operation = {
            "parameters": parameters, "requestBody": {"content": {}}, "responses": {"default": {}},
        }  # fmt: skip
        paths[path] = dict.fromkeys(("get", "post", "put", "patch", "delete"), operation)
    return Contract({"paths": paths}, Dialect(knows_queries=False))


GRAPH = Published(GRAPH_CONTRACT.name, _graph)
MICROSOFT365 = Published(GRAPH_CONTRACT.name, _microsoft365)
GOOGLE = Published(
    "admin.directory_v1.json",
    discovery.contract,
    discovery.DOCUMENTS,
    ("admin.reports_v1.json", "gmail.v1.json", "alertcenter.v1beta1.json"),
)
INTUNE = Published(GRAPH_CONTRACT.name, _intune)
CROWDSTRIKE = Published("crowdstrike-subset.openapi.json", _crowdstrike)
NINJAONE = Published("ninjaone-subset.yaml", _ninjaone)
WAZUH = Published("wazuh-4.14-subset.yaml", _wazuh)
DEFENDER_ENDPOINT = Published("defender_endpoint.yaml", documented.read, DOCUMENTED)
SENTINEL = Published("sentinel.yaml", documented.read, DOCUMENTED)
SIEM_PRODUCTS = Published("siem_products.yaml", documented.read, DOCUMENTED)
SENTINELONE = Published("sentinelone-2.1-requests.json", _sentinelone)
TACTICAL_RMM = Published("tacticalrmm-urls.txt", _tactical_rmm, judges=("requests",))


def graph_contract() -> Judge:
    """Microsoft Graph's contract."""
    return GRAPH.contract()


def violations_in(recording: Path, contract: Judge) -> tuple[int, list[Violation]]:
    """How many exchanges of a recording were judged, and every violation in them."""
    count, found = 0, []
    for line in recording.read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        if contract.covers(exchange["url"]):
            count += 1
            found += contract.check_exchange(
                exchange["method"], exchange["url"], exchange["request_body"],
                exchange["status"], exchange["body"],
            )  # fmt: skip
    return count, found


def assert_conforms(recording: Path, contract: Judge | None = None) -> int:
    """Fail unless the recording holds exchanges and all conform; returns how many there were.

    Microsoft Graph's contract where none is given.
    """
    count, found = violations_in(recording, contract or graph_contract())
    assert count, f"{recording} holds no exchange with the API of the contract"
    distinct = list(dict.fromkeys(str(violation) for violation in found))
    listed = "\n".join(distinct[:20])
    assert not found, f"{len(found)} violations in {count} exchanges:\n{listed}"
    return count
