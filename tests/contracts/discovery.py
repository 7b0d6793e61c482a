"""Google's discovery documents, as they come with google-api-python-client, as one contract.

The format: https://developers.google.com/discovery/v1/reference/apis. A schema lists all its
properties, so that any other is a violation, in a request and in an answer. Errors are those of
https://cloud.google.com/apis/design/errors#http_mapping, which the documents leave out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from googleapiclient import discovery_cache

from tests.contracts.openapi import Contract, Dialect, Schema

DOCUMENTS = Path(discovery_cache.__file__).parent / "documents"
_FORMATS = {"google-datetime": "date-time"}
_ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            name: {"type": "string"}
                            for name in ("message", "domain", "reason", "location", "locationType")
                        },
                        "required": ["reason"],
                        "additionalProperties": False,
                    },
                },
                "details": {"type": "array"},
            },
            "required": ["code", "message"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
}


class Discovered(Contract):
    """Several APIs as one contract; each path belongs to the host of its own API."""

    def __init__(self, document: Schema, hosts: frozenset[str]) -> None:
        super().__init__(document, Dialect())
        self.hosts = hosts

    def covers(self, url: str) -> bool:
        """Whether a URL belongs to one of the APIs."""
        return urlsplit(url).netloc in self.hosts


def contract(*texts: str) -> Discovered:
    """The contract of these documents together."""
    paths: dict[str, Schema] = {}
    schemas: dict[str, Schema] = {"Error": _ERROR}
    documents = [json.loads(text) for text in texts]
    for document in documents:
        name = document["name"] + document["version"]
        for template, verb, operation in _operations(document, name):
            paths.setdefault(template, {})[verb] = operation
        for key, schema in document["schemas"].items():
            schemas[f"{name}.{key}"] = _schema(schema, name)
    hosts = frozenset(urlsplit(document["rootUrl"]).netloc for document in documents)
    return Discovered({"paths": paths, "components": {"schemas": schemas}}, hosts)


def methods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every method of a document, of whatever resource."""
    yield from document.get("methods", {}).values()
    for resource in document.get("resources", {}).values():
        yield from methods(resource)


def _operations(document: dict[str, Any], name: str) -> Iterator[tuple[str, str, Schema]]:
    common = document.get("parameters", {})
    for method in methods(document):
        parameters = {**common, **method.get("parameters", {})}
        operation: Schema = {
            "parameters": [_parameter(key, told) for key, told in parameters.items()],
            "responses": {
                "2XX": _content(method["response"], name)
                if "response" in method
                else {"description": "No content."},
                "4XX": _content({"$ref": "Error"}, ""),
                "5XX": _content({"$ref": "Error"}, ""),
            },
        }
        if "request" in method:
            operation["requestBody"] = {**_content(method["request"], name), "required": True}
        path = method.get("flatPath") or method["path"]
        yield f"/{path}", method["httpMethod"].lower(), operation


def _content(schema: Schema, name: str) -> Schema:
    return {"content": {"application/json": {"schema": _schema(schema, name)}}}


def _parameter(name: str, told: dict[str, Any]) -> Schema:
    schema: Schema = {k: told[k] for k in ("type", "enum") if k in told}
    if told.get("repeated"):
        schema = {"type": "array", "items": schema}
    required = bool(told.get("required"))
    return {"name": name, "in": told["location"], "required": required, "schema": schema}


def _schema(schema: Schema, name: str) -> Schema:
    """Discovery's JSON Schema (draft 3, with its own formats) as OpenAPI's."""
    if "$ref" in schema:
        reference = f"{name}.{schema['$ref']}" if name else schema["$ref"]
        return {"$ref": f"#/components/schemas/{reference}"}
    result: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {k: _schema(v, name) for k, v in value.items()}
        elif key in {"items", "additionalProperties"}:
            result[key] = _schema(value, name)
        elif key == "format":
            result[key] = _FORMATS.get(value, value)
        elif (key == "type" and value != "any") or key == "enum":
            result[key] = value
    if "properties" in result and "additionalProperties" not in result:
        result["additionalProperties"] = False
    return result
