"""Faults that can be switched on while the simulator runs.

A fault names what goes wrong (`kind`), for which requests (`method`, `path`: a regular expression
searched in the path, `tenant`), and how often (`after` lets the first n pass, `times` limits it,
`rate` makes it a share of the requests, drawn from a fixed sequence).
"""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

KINDS = {
    "throttle": "429 with Retry-After (`retry_after` seconds)",
    "server_error": "`status` (500, 502, 503, 504), nothing done",
    "refuse": "`status` (401, 403, 404, 409) in the vendor's shape, nothing done",
    "redirect": "302 to `location`, nothing done",
    "slow": "`seconds` before the answer",
    "slow_body": "the body trickles over `seconds`",
    "stale_reads": "readers see a write only after `seconds` and `reads` more reads",
    "drop_after_effect": "the request is carried out, the connection is cut, no answer",
    "drop_before_effect": "the connection is cut, nothing done",
    "broken_json": "the body stops in the middle, with status 200",
    "duplicate_records": "each further page starts with the last record of the page before",
    "out_of_order": "the records of each page come in the opposite order",
    "partial": "status 200 with a part of the answer and an error (Log Analytics' PartialError)",
}


@dataclass
class Fault:
    """One fault that is switched on."""

    kind: str
    method: str = ""
    path: str = ""
    tenant: str = ""
    after: int = 0
    times: int | None = None
    rate: float = 1.0
    retry_after: int = 1
    status: int = 503
    seconds: float = 0.0
    reads: int = 0
    location: str = ""
    id: str = ""
    matched: int = 0
    used: int = 0
    _draw: random.Random = field(default_factory=lambda: random.Random(1), repr=False)  # noqa: S311

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault '{self.kind}'; use one of: {', '.join(KINDS)}")
        re.compile(self.path)

    def hits(self, method: str, path: str, tenant_id: str) -> bool:
        """Whether this request suffers the fault; counts it."""
        if self.method and self.method.upper() != method:
            return False
        if not re.search(self.path, path) or (self.tenant and self.tenant != tenant_id):
            return False
        if self.times is not None and self.used >= self.times:
            return False
        self.matched += 1
        if self.matched <= self.after or self._draw.random() >= self.rate:
            return False
        self.used += 1
        return True

    def as_json(self) -> dict[str, Any]:
        """The fault as the control endpoint shows it."""
        return {k: v for k, v in asdict(self).items() if not k.startswith("_")}


class Faults:
    """The faults that are on, in the order in which they were switched on."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self._number = 0

    def add(self, **options: Any) -> Fault:
        """Switch one on. ValueError names what is wrong with the options."""
        known = {f.name for f in fields(Fault)} - {"id", "matched", "used", "_draw"}
        unknown = set(options) - known
        if unknown:
            raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
        fault = Fault(**options)
        self._number += 1
        fault.id = f"fault-{self._number}"
        self.active.append(fault)
        return fault

    def remove(self, fault_id: str | None = None) -> None:
        """Switch off one, or all."""
        self.active = [f for f in self.active if fault_id is not None and f.id != fault_id]

    def hitting(self, method: str, path: str, tenant_id: str) -> dict[str, Fault]:
        """The faults that this request suffers, the first of each kind."""
        found: dict[str, Fault] = {}
        for fault in self.active:
            if fault.kind not in found and fault.hits(method, path, tenant_id):
                found[fault.kind] = fault
        return found
