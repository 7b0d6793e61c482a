"""Checks HTTP exchanges against a vendor's OpenAPI 3.0 contract; names the first offending field.

    contract = Contract(GRAPH_CONTRACT)
    for violation in contract.check_exchange("GET", url, None, 200, body):
        print(violation)

`assert_conforms(path)` does it for a file of recorded exchanges (NDJSON: method, url,
request_body, status, headers, body).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

GRAPH_CONTRACT = Path(__file__).parents[3] / "shared/contracts/msgraph-v1.0-subset.json"
WHY_ABSENT = f"the vendor's contract is not here: {GRAPH_CONTRACT.name} in ../shared/contracts"
Schema = dict[str, Any]

_METHODS = {"get", "post", "patch", "put", "delete"}
# The same function or segment is written in two ways; the contract knows one.
_ALIASES = [
    (re.compile(r"/microsoft\.graph\.delta\(\)$|/delta$"), "/delta()"),
    (re.compile(r"/(usersRegisteredByFeature|usersRegisteredByMethod)$"), r"/\1()"),
]
# What the contract's types do not list although the vendor documents it.
_UNDECLARED = frozenset({"@removed", "tags"})


@dataclass(frozen=True)
class Violation:
    """One way in which an exchange breaks the contract.

    `where` is "request", "response" or "query"; `pointer` a JSON pointer into that body.
    """

    method: str
    path: str
    status: int
    where: str
    pointer: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.method} {self.path} ({self.status}): {self.where} {self.pointer or '/'}: "
            f"expected {self.expected}, found {self.found}"
        )


class Contract:
    """An OpenAPI 3.0 document as a judge of exchanges.

    `is_strict` also refuses properties that a closed type does not have: the vendor ignores or
    rejects them, and they are mostly misspellings.
    """

    def __init__(self, path: Path, *, is_strict: bool = True) -> None:
        self.document: Schema = json.loads(path.read_text(encoding="utf-8"))
        self.base = urlsplit(self.document["servers"][0]["url"]).path.rstrip("/")
        self._translated: dict[str, Schema] = {}
        self._is_strict = is_strict
        self._paths = [
            (_template_pattern(template), template)
            for template in sorted(self.document["paths"], key=_parameters_first)
        ]
        for name, schema in self.document["components"]["schemas"].items():
            self._translated[name] = self._translate(schema, is_named=True)

    def covers(self, url: str) -> bool:
        """Whether a URL belongs to the API that the contract describes."""
        return urlsplit(url).path.startswith(f"{self.base}/")

    def check_exchange(
        self, method: str, url: str, request_body: Any, status: int, response_body: Any
    ) -> list[Violation]:
        """Every violation of one exchange, the most telling first; batches are looked into."""
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix(self.base)
        for pattern, replacement in _ALIASES:
            path = pattern.sub(replacement, path)
        template = self.template(path)
        call = (method.upper(), path, status)
        operation = self.document["paths"].get(template, {}).get(method.lower()) if template else {}
        if not operation:
            return [Violation(*call, "request", "", "a path and method of the contract", "neither")]
        found = [*self._check_query(call, operation, parts.query)]
        if status < 400:
            found += self._check_request(call, operation, request_body)
        found += self._check_response(call, operation, response_body)
        if template == "/$batch" and not found:
            found += self._check_batch(request_body, response_body)
        return found

    def template(self, path: str) -> str | None:
        """The contract's template for a path; static segments win over parameters."""
        for pattern, template in self._paths:
            if pattern.fullmatch(path):
                return template
        return None

    def _check_query(
        self, call: tuple[str, str, int], operation: Schema, query: str
    ) -> Iterator[Violation]:
        known = {}
        for parameter in operation.get("parameters", []):
            resolved = self._resolve(parameter)
            if resolved["in"] == "query":
                known[resolved["name"]] = resolved["schema"]
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name == "$deltatoken":
                continue
            if name not in known:
                expected = f"one of {sorted(known)}"
                yield Violation(*call, "query", f"/{name}", expected, repr(name))
            elif name == "$select":
                allowed = known[name]["items"].get("enum")
                for item in value.split(","):
                    if allowed and item.strip() not in allowed:
                        yield Violation(*call, "query", "/$select", "a known property", repr(item))
            elif known[name].get("type") == "integer" and not value.isdigit():
                yield Violation(*call, "query", f"/{name}", "an integer", repr(value))

    def _check_request(
        self, call: tuple[str, str, int], operation: Schema, body: Any
    ) -> list[Violation]:
        declared = operation.get("requestBody")
        if declared is None:
            if body in (None, "", {}):
                return []
            return [Violation(*call, "request", "", "no body", _show(body))]
        if body is None:
            return (
                [Violation(*call, "request", "", "a body", "none")]
                if declared.get("required") else []
            )  # fmt: skip
        return self._validate(call, "request", _json_schema(declared), body)

    def _check_response(
        self, call: tuple[str, str, int], operation: Schema, body: Any
    ) -> list[Violation]:
        status = call[2]
        responses = operation["responses"]
        declared = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if declared is None:
            return [
                Violation(*call, "response", "", f"a status of {sorted(responses)}", str(status))
            ]
        declared = self._resolve(declared)
        if "content" not in declared:
            if body in (None, ""):
                return []
            return [Violation(*call, "response", "", "no body", _show(body))]
        schema = _json_schema(declared)
        return self._validate(call, "response", schema, body) if schema else []

    def _check_batch(self, request: Any, response: Any) -> list[Violation]:
        asked = {item["id"]: item for item in request["requests"]}
        found: list[Violation] = []
        for answer in response["responses"]:
            item = asked.get(answer["id"])
            if item is None:
                call = ("POST", "/$batch", 200)
                found.append(
                    Violation(*call, "response", "/responses", "an id of a request", answer["id"])
                )
            elif answer["status"] != 424:
                found += self.check_exchange(
                    item["method"], self.base + "/" + item["url"].lstrip("/"), item.get("body"),
                    answer["status"], answer.get("body"),
                )  # fmt: skip
        return found

    def _validate(
        self, call: tuple[str, str, int], where: str, schema: Schema, body: Any
    ) -> list[Violation]:
        root = self._translate(schema) | {"$defs": self._translated}
        validator = Draft202012Validator(root, format_checker=FORMATS)
        errors = [_deepest(error) for error in validator.iter_errors(body)]
        by_pointer: dict[str, Violation] = {}
        for violation in (_violation(call, where, error) for error in errors):
            by_pointer.setdefault(violation.pointer, violation)
        return [by_pointer[pointer] for pointer in sorted(by_pointer)]

    def _resolve(self, node: Schema) -> Schema:
        if "$ref" not in node:
            return node
        target: Any = self.document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return target

    def _translate(self, schema: Schema, *, is_named: bool = False) -> Schema:
        """OpenAPI 3.0 as JSON Schema 2020-12: nullable, references, subtypes, closed types."""
        if "$ref" in schema:
            return {"$ref": f"#/$defs/{_pointer_part(schema['$ref'].split('/')[-1])}"}
        result: Schema = {}
        for key, value in schema.items():
            if key == "properties":
                result[key] = {name: self._translate(item) for name, item in value.items()}
            elif key in {"anyOf", "oneOf", "allOf"}:
                result[key] = [self._translate(item) for item in value]
            elif key in {"items", "additionalProperties"} and isinstance(value, dict):
                result[key] = self._translate(value)
            elif key not in {"nullable", "discriminator"} and not key.startswith("x-"):
                result[key] = value
        if schema.get("nullable") and "type" in result:
            result["type"] = [result["type"], "null"]
        if is_named:
            self._close(schema, result)
        return self._subtypes(schema, result)

    def _close(self, schema: Schema, result: Schema) -> None:
        properties = schema.get("properties")
        is_closable = (
            self._is_strict
            and properties
            and "@odata.type" in properties
            and not schema.get("x-open-type")
            and "discriminator" not in schema
        )
        if is_closable:
            pruned = dict.fromkeys([*schema.get("x-pruned-navigation", []), *_UNDECLARED], True)
            result["properties"] = {**pruned, **result["properties"]}
            result["patternProperties"] = {"@": True}
            result["additionalProperties"] = False

    def _subtypes(self, schema: Schema, result: Schema) -> Schema:
        """Inheritance is flattened in the contract: a subtype repeats what it inherits."""
        mapping = schema.get("discriminator", {}).get("mapping", {})
        if not mapping:
            return result
        cases = []
        for type_name, reference in mapping.items():
            when = {
                "required": ["@odata.type"],
                "properties": {"@odata.type": {"const": type_name}},
            }
            cases.append({"if": when, "then": self._translate({"$ref": reference})})
        return {**result, "allOf": [*result.get("allOf", []), *cases]}


def _parameters_first(template: str) -> tuple[int, str]:
    return template.count("{"), template


def _template_pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts) + "/?", re.IGNORECASE)


def _json_schema(declared: Schema) -> Schema:
    for media_type, content in declared.get("content", {}).items():
        if media_type == "application/json":
            return dict(content["schema"])
    return {}


def _pointer_part(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace("$", "%24")


def _depth(error: ValidationError) -> tuple[int, bool]:
    # The alternative "null" says nothing about what was meant.
    is_null_case = error.validator == "maxProperties" or error.validator_value == ["object", "null"]
    return len(error.absolute_path), not is_null_case


def _deepest(error: ValidationError) -> ValidationError:
    """The cause inside alternatives that lies deepest in the data."""
    while error.context:
        error = max(error.context, key=_depth)
    return error


def _violation(call: tuple[str, str, int], where: str, error: ValidationError) -> Violation:
    path = [str(part) for part in error.absolute_path]
    expected = f"{error.validator} {json.dumps(error.validator_value)}"
    found = _show(error.instance)
    if error.validator == "additionalProperties":
        known = set(error.schema.get("properties", {}))
        unknown = sorted(name for name in error.instance if name not in known and "@" not in name)
        path.append(unknown[0])
        expected, found = "a property of the type", f"unknown property '{unknown[0]}'"
    elif error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        path.append(missing[0])
        expected, found = "a value", "nothing"
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    return Violation(*call, where, pointer, expected[:300], found)


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:117] + "..."


FORMATS = FormatChecker(formats=())
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or bool(_DATE_TIME.fullmatch(value))


@FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(_UUID.fullmatch(value))


@cache
def graph_contract() -> Contract:
    """Microsoft Graph's contract; FileNotFoundError where ../shared is absent."""
    return Contract(GRAPH_CONTRACT)


def violations_in(recording: Path, contract: Contract | None = None) -> tuple[int, list[Violation]]:
    """How many exchanges of a recording were judged, and every violation in them."""
    judge = contract or graph_contract()
    count, found = 0, []
    for line in recording.read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        if judge.covers(exchange["url"]):
            count += 1
            found += judge.check_exchange(
                exchange["method"], exchange["url"], exchange["request_body"],
                exchange["status"], exchange["body"],
            )  # fmt: skip
    return count, found


def assert_conforms(recording: Path, contract: Contract | None = None) -> int:
    """Fail unless the recording holds exchanges and all conform; returns how many there were."""
    count, found = violations_in(recording, contract)
    assert count, f"{recording} holds no exchange with the API of the contract"
    distinct = list(dict.fromkeys(str(violation) for violation in found))
    listed = "\n".join(distinct[:20])
    assert not found, f"{len(found)} violations in {count} exchanges:\n{listed}"
    return count
