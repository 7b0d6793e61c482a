"""One HTTP request on its way to an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from .faults import Fault
from .store import App, Record, Tenant


@dataclass
class Answer:
    """What a handler gives back; `body` None means no content."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that the vendor refuses; carries the answer in the vendor's shape."""

    def __init__(self, status: int, told: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {told}")
        self.status = status
        self.headers = dict(headers or {})
        self._told = told

    def body(self) -> Any:
        """The answer's JSON."""
        return self._told

    def answer(self) -> Answer:
        """The whole answer."""
        return Answer(self.status, self.body(), self.headers)


class CodedRefusal(Refusal):
    """A refusal that says a code and a message, as Microsoft's services do."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, f"{code}: {message}", headers)
        self.code = code
        self.message = message

    def details(self) -> dict[str, Any]:
        """What the service tells besides, made anew for each answer."""
        return {}

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"error": {"code": self.code, "message": self.message, **self.details()}}

    @classmethod
    def instead_of(cls, refused: Refusal, codes: Mapping[int, str], other: str) -> Self:
        """Another service's refusal, as this one words it; Retry-After is kept."""
        kept = {k: v for k, v in refused.headers.items() if k == "Retry-After"}
        code = codes.get(refused.status, other)
        return cls(refused.status, code, "The request was refused.", kept)


@dataclass(frozen=True)
class Caller:
    """Who valid credentials speak for, and what they are allowed."""

    tenant: Tenant
    app: App
    roles: frozenset[str]


@dataclass
class Exchange:
    """One HTTP request, and what became known of it while it was answered."""

    method: str
    path: str
    options: dict[str, str]
    headers: Mapping[str, str]
    raw: bytes
    caller: Caller | None = None
    tenant: Tenant | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    effects: list[Record] = field(default_factory=list)
    logged: list[Record] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The address by which the client came, for links in answers."""
        host = self.headers.get("host", "127.0.0.1")
        is_local = host.rpartition(":")[0] in {"127.0.0.1", "localhost", "[::1]"}
        return f"{'http' if is_local else 'https'}://{host}"

    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.raw.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; None where there is none; ValueError where it can't be read."""
        return json.loads(self.raw) if self.raw else None
