"""Contracts for APIs of which the vendor publishes pages only: written down from them, as data.

    types:
      machine: {page: …, fields: {id: string, riskScore: None|Low|High|null}}
    operations:
      GET /machines: {page: …, query: [$top], gives: machine[]}
      POST /machines/{id}/isolate: {takes: {Comment: string!}, gives: machineAction, status: 201}

A field is ``string``, ``text`` (a string or null), ``time``, ``time?`` (or null), ``integer?``,
``number?``, ``boolean``, ``object``, ``any``, the name of a type, a list of these (``text[]``), or
the values of an enumeration with ``|`` between them; a type with ``?`` may be null. A type has no
fields but its own, unless it is ``open``. ``!`` marks what is required. What an operation takes may
be ``any``, such as a form. It gives one object, a page of many as OData has it (``machine[]``), or
a bare list (``[machine]``).
"""

from __future__ import annotations

from typing import Any

import yaml

from tests.contracts.openapi import Contract, Dialect, Schema

_PLAIN = ("string", "integer", "number", "boolean", "object")


def read(text: str) -> Contract:
    """The contract of a document in this form."""
    told = yaml.safe_load(text)
    types = told["types"]
    made = schemas(types)
    made["error"] = _object({"error": "errorDetail"}, {"errorDetail": {}})
    # As OData has it: https://docs.oasis-open.org/odata/odata-json-format/v4.01/
    detail = {"code": "string", "message": "string", "target": "text", "details": "object[]"}
    made["errorDetail"] = _object({**detail, "innererror": "object"}, {})
    paths: dict[str, Schema] = {}
    for call, one in told["operations"].items():
        method, path = call.split(" ", 1)
        paths.setdefault(path, {})[method.lower()] = _operation(one, types)
    document = {"paths": paths, "components": {"schemas": made}}
    dialect = Dialect(base=told["base"], closes=closes)
    return Contract(document, dialect)


def closes(schema: Schema) -> bool:
    """Whether a type has no fields but its own."""
    return "properties" in schema and not schema.get("x-open-type")


def closes_own(schema: Schema) -> bool:
    """The same, where a document beside it leaves its own types open."""
    return schema.get("x-open-type") is False


def schemas(types: dict[str, Any]) -> dict[str, Schema]:
    """The types of a document in this form, as OpenAPI."""
    return {
        name: {**_object(one["fields"], types), "x-open-type": bool(one.get("open"))}
        for name, one in types.items()
    }


def type_of(field: str, types: dict[str, Any]) -> Schema:
    """One field's kind as OpenAPI."""
    if field.endswith("[]"):
        return {"type": "array", "items": type_of(field[:-2], types)}
    if "|" in field:
        values = [None if value == "null" else value for value in field.split("|")]
        return {"type": "string", "nullable": None in values, "enum": values}
    if field == "any":
        return {}
    if field in types:
        return {"$ref": f"#/components/schemas/{field}"}
    if field.removesuffix("?") in types:
        nothing: Schema = {"type": "object", "nullable": True, "maxProperties": 0}
        return {"anyOf": [type_of(field.removesuffix("?"), types), nothing]}
    is_nullable, kind = field.endswith("?") or field == "text", field.removesuffix("?")
    if kind == "time":
        return {"type": "string", "format": "date-time", "nullable": is_nullable}
    kind = "string" if kind == "text" else kind
    if kind not in _PLAIN:
        raise ValueError(f"'{field}' is no kind of field")
    return {"type": kind, "nullable": is_nullable}


def _object(fields: dict[str, str], types: dict[str, Any]) -> Schema:
    names = {name: field.removesuffix("!") for name, field in fields.items()}
    return {
        "type": "object",
        "properties": {name: type_of(field, types) for name, field in names.items()},
        "required": [name for name, field in fields.items() if field.endswith("!")],
    }


def _operation(one: dict[str, Any], types: dict[str, Any]) -> Schema:
    # A query's name with ! is required.
    parameters = [
        {"name": name.removesuffix("!"), "in": "query", "required": name.endswith("!"),
         "schema": {"type": "string"}}
        for name in one.get("query", ())
    ]  # fmt: skip
    answer: Schema = {"description": one["page"]}
    if "gives" in one:
        answer |= {"content": {"application/json": {"schema": _answer(one["gives"], types)}}}
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}
    made: Schema = {
        "parameters": parameters,
        "responses": {str(one.get("status", 200)): answer, "4XX": error, "5XX": error},
    }
    if one.get("takes") == "any":
        made["requestBody"] = {"content": {}}
    elif "takes" in one:
        body = {**_object(one["takes"], types), "additionalProperties": False}
        made["requestBody"] = {
            "required": True, "content": {"application/json": {"schema": body}},
        }  # fmt: skip
    return made


def _answer(gives: str, types: dict[str, Any]) -> Schema:
    """One object, a bare list, or a page of many as OData gives it."""
    if gives.startswith("["):
        return {"type": "array", "items": type_of(gives.strip("[]"), types)}
    if not gives.endswith("[]"):
        return type_of(gives, types)
    return {
        "type": "object",
        "properties": {
            "@odata.context": {"type": "string"},
            "@odata.nextLink": {"type": "string"},
            "@adminapi.warnings": {"type": "array", "items": {"type": "string"}},
            "adminapi.warnings@odata.type": {"type": "string"},
            "value": type_of(gives, types),
        },
        "required": ["value"],
        "additionalProperties": False,
    }
