"""Checks HTTP exchanges against a vendor's OpenAPI 3.0 contract; names the first offending field.

    for violation in contract.check_exchange("GET", url, None, 200, body):
        print(violation)

The vendors' contracts, and how a whole recording is checked, are in `tests.contracts.published`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

Schema = dict[str, Any]

_METHODS = {"get", "post", "patch", "put", "delete"}


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


@dataclass(frozen=True)
class Dialect:
    """In what a vendor's contract differs from the next one's.

    `base` is the path before all paths of the contract. `aliases` rewrite paths that are written
    in two ways. `closes` says of a named schema whether it has no other properties than it names:
    the vendor ignores or rejects others, and they are mostly misspellings; `undeclared` are those
    that it has all the same. `knows_queries` is False where the contract lists no parameters,
    `undeclared_queries` are those that it doesn't list although the vendor documents them.
    `gives_nulls` says that any value may be null although the contract doesn't say so. `lacks` are
    the beginnings of paths that the vendor serves and documents, but that the contract, a part of
    what the vendor publishes, doesn't hold.
    """

    base: str = ""
    aliases: Sequence[tuple[re.Pattern[str], str]] = ()
    closes: Callable[[Schema], bool] = lambda schema: False
    undeclared: frozenset[str] = frozenset()
    knows_queries: bool = True
    undeclared_queries: frozenset[str] = frozenset()
    gives_nulls: bool = False
    lacks: tuple[str, ...] = ()


class Contract:
    """An OpenAPI 3.0 document as a judge of exchanges."""

    def __init__(self, document: Schema, dialect: Dialect) -> None:
        self.document = document
        self.dialect = dialect
        self.base = dialect.base
        self._translated: dict[str, Schema] = {}
        self._paths = [
            (_template_pattern(template), template)
            for template in sorted(self.document["paths"], key=_parameters_first)
        ]
        for name, schema in self.document.get("components", {}).get("schemas", {}).items():
            self._translated[name] = self._translate(schema, is_named=True)

    def covers(self, url: str) -> bool:
        """Whether a URL belongs to the API that the contract describes."""
        path = urlsplit(url).path
        return path.startswith(f"{self.base}/") and not path.startswith(self.dialect.lacks)

    def check_exchange(
        self, method: str, url: str, request_body: Any, status: int, response_body: Any
    ) -> list[Violation]:
        """Every violation of one exchange, the most telling first; batches are looked into."""
        parts = urlsplit(url)
        path = unquote(parts.path).removeprefix(self.base)
        for pattern, replacement in self.dialect.aliases:
            path = pattern.sub(replacement, path)
        template = self.template(path)
        call = (method.upper(), path, status)
        operation = self.document["paths"].get(template, {}).get(method.lower()) if template else {}
        if not operation:
            return [Violation(*call, "request", "", "a path and method of the contract", "neither")]
        parameters = self._parameters(template, operation)
        found = [
            *self._check_path(call, template, parameters),
            *self._check_query(call, parameters, parts.query),
        ]
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

    def _parameters(self, template: str | None, operation: Schema) -> list[Schema]:
        shared = self.document["paths"].get(template, {}).get("parameters", [])
        return [self._resolve(one) for one in [*shared, *operation.get("parameters", [])]]

    def _check_path(
        self, call: tuple[str, str, int], template: str | None, parameters: list[Schema]
    ) -> Iterator[Violation]:
        names = re.findall(r"\{([^}]+)\}", template or "")
        found = _template_pattern(template or "").fullmatch(call[1])
        schemas = {p["name"]: self._resolve(p["schema"]) for p in parameters if p["in"] == "path"}
        for name, value in zip(names, found.groups() if found else (), strict=False):
            wrong = _not_of(schemas.get(name, {}), value)
            if wrong:
                yield Violation(*call, "path", f"/{name}", wrong, repr(value))

    def _check_query(
        self, call: tuple[str, str, int], parameters: list[Schema], query: str
    ) -> Iterator[Violation]:
        if not self.dialect.knows_queries:
            return
        known = {p["name"]: p for p in parameters if p["in"] == "query"}
        given = parse_qsl(query, keep_blank_values=True)
        for name in sorted(n for n, p in known.items() if p.get("required")):
            if name not in {told for told, _ in given}:
                yield Violation(*call, "query", f"/{name}", "a value", "nothing")
        for name, value in given:
            if name in self.dialect.undeclared_queries:
                continue
            if name not in known:
                expected = f"one of {sorted(known)}"
                yield Violation(*call, "query", f"/{name}", expected, repr(name))
                continue
            schema = self._resolve(known[name].get("schema", {}))
            items = schema.get("items")
            for item in value.split(",") if items else [value]:
                wrong = _not_of(self._resolve(items or schema), item.strip())
                if wrong:
                    yield Violation(*call, "query", f"/{name}", wrong, repr(item))

    def _check_request(
        self, call: tuple[str, str, int], operation: Schema, body: Any
    ) -> list[Violation]:
        declared = self._resolve(operation.get("requestBody") or {})
        if not declared:
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
        exact = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        declared = exact or responses.get("default")
        if declared is None:
            return [
                Violation(*call, "response", "", f"a status of {sorted(responses)}", str(status))
            ]
        declared = self._resolve(declared)
        if "content" not in declared:
            # A "default" answer without a schema says nothing about the body.
            if body in (None, "") or exact is None:
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
        is_nullable = schema.get("nullable") or self.dialect.gives_nulls
        if is_nullable and isinstance(result.get("type"), str):
            result["type"] = [result["type"], "null"]
        if is_named:
            self._close(schema, result)
        return self._subtypes(schema, result)

    def _close(self, schema: Schema, result: Schema) -> None:
        if self.dialect.closes(schema):
            more = [*schema.get("x-pruned-navigation", []), *self.dialect.undeclared]
            pruned = dict.fromkeys(more, True)
            result["properties"] = {**pruned, **result["properties"]}
            result["patternProperties"] = {"@": True}
            result["additionalProperties"] = False

    def _subtypes(self, schema: Schema, result: Schema) -> Schema:
        """Inheritance is flattened in the contract: a subtype repeats what it inherits."""
        told = schema.get("discriminator", {})
        mapping, name = told.get("mapping", {}), told.get("propertyName", "@odata.type")
        if not mapping:
            return result
        cases = []
        for type_name, reference in mapping.items():
            when = {
                "required": [name],
                "properties": {name: {"const": type_name}},
            }
            cases.append({"if": when, "then": self._translate({"$ref": reference})})
        return {**result, "allOf": [*result.get("allOf", []), *cases]}


def _parameters_first(template: str) -> tuple[int, str]:
    return template.count("{"), template


def _template_pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^}]+\}", template)
    return re.compile("([^/]+)".join(re.escape(part) for part in parts) + "/?", re.IGNORECASE)


def _not_of(schema: Schema, text: str) -> str:
    """What a parameter should be, where its text is something else; "" where it is right."""
    kind, allowed = schema.get("type"), schema.get("enum")
    if kind == "integer" and not re.fullmatch(r"-?\d+", text):
        return "an integer"
    if kind == "boolean" and text.lower() not in ("true", "false"):
        return "true or false"
    if allowed and text not in {str(value) for value in allowed}:
        return f"one of {allowed}"[:300]
    return ""


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
