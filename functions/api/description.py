"""The API's OpenAPI 3.1 document, made of what the operations declare.

Served at /openapi.json; `python -m console.openapi` writes the same to docs/openapi.json, and CI compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from functions.api.operation import Operation

REFERENCE = "#/components/schemas/{model}"
VERSION = "0.1.0"
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "同一个键在24小时内重发，得到同样的答复；换了内容则为 409",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}
Json = dict[str, Any]


NO_TOKEN: Json = {
    "description": "没有有效的登录凭证：由 API Gateway 的 JWT 授权器直接答复，不是 problem+json",
    "content": {
        "application/json": {
            "schema": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}
        }
    },
}
"""Its words are API Gateway's own: an HTTP API lets nobody change them (docs/decisions.md)."""


class Problem(BaseModel):
    """A refusal (RFC 9457); the facts of a code stand beside these."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="/problems/ 加上 code")
    title: str
    status: int
    code: str
    detail: str | None = None
    field: str | None = Field(default=None, description="有误的字段")


def document(operations: Iterable[Operation]) -> Json:
    """Return the whole document; the same operations give the same document."""
    listed = list(operations)
    references, schemas = _schemas(listed)
    paths: dict[str, Json] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Leadtrail",
            "version": VERSION,
            "description": "销售线索：轨迹、时限与证据。时间为带时区的 ISO 8601;出错时答复 application/problem+json。",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _schemas(operations: list[Operation]) -> tuple[Mapping[Any, Json], Json]:
    wanted: dict[tuple[type[BaseModel], Literal["validation", "serialization"]], None] = {(Problem, "validation"): None}
    for operation in operations:
        if operation.body:
            wanted[operation.body, "validation"] = None
        if operation.answer:
            wanted[operation.answer, "serialization"] = None
    references, found = models_json_schema(list(wanted), ref_template=REFERENCE)
    return references, dict(sorted(found["$defs"].items()))


def _operation(operation: Operation, references: Mapping[Any, Json]) -> Json:
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body:
        schema = references[operation.body, "validation"]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    described["responses"] = _responses(operation, references)
    if operation.public:
        described["security"] = []
    return described


def _parameters(operation: Operation) -> list[Json]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    schema = operation.query.model_json_schema()
    needed = schema.get("required", [])
    query = [_query(name, field, needed) for name, field in schema.get("properties", {}).items()]
    return [*path, *query, *([IDEMPOTENCY_KEY] if operation.takes_key else [])]


def _query(name: str, field: Json, needed: list[str]) -> Json:
    field = {key: value for key, value in field.items() if key != "title"}
    words = field.pop("description", None)
    described: Json = {"name": name, "in": "query", "required": name in needed, "schema": field}
    return described | ({"description": words} if words else {})


def _responses(operation: Operation, references: Mapping[Any, Json]) -> Json:
    good: Json = {"description": operation.summary}
    if operation.answer:
        schema = references[operation.answer, "serialization"]
        good["content"] = {"application/json": {"schema": schema}}
    refusal = {"application/problem+json": {"schema": references[Problem, "validation"]}}
    refused = {
        str(status): {"description": HTTPStatus(status).phrase, "content": refusal} for status in _statuses(operation)
    }
    if "401" in refused:
        refused["401"] = NO_TOKEN
    return {str(operation.status): good, **refused}


def _statuses(operation: Operation) -> list[int]:
    statuses = {422, *operation.problems}
    if not operation.public:
        statuses |= {401, 403}
    if "{" in operation.path:
        statuses.add(404)
    if operation.body:
        statuses |= {400, 413}
    if operation.takes_key:
        statuses.add(409)
    return sorted(statuses)
