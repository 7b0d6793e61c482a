"""What every simulator does with a request: who asks, with which faults, and what is logged."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from .faults import Faults
from .http import Answer, Exchange, Refusal
from .journal import Journal
from .store import Record, Store, Tenant

Seed = Callable[[Store, datetime, int], None]
Act = Callable[..., Any]
DROPS = frozenset({"drop_after_effect", "drop_before_effect"})


@dataclass
class Options:
    """How a simulator behaves; files are optional.

    `expires_in` is the life of a token in seconds, `page_size` the records on a page when the
    client does not ask for a number, `largest_page` the most on a page whatever it asks.
    """

    state: Path | None = None
    log: Path | None = None
    record_exchanges: Path | None = None
    expires_in: int = 3599
    page_size: int = 100
    largest_page: int = 1000
    clock: Callable[[], float] = time.time


class Simulator(ABC):
    """A vendor's API over one state. `seeds` are the states that it can start with, by name.

    `acts` are what users and attackers do meanwhile: each is called with the simulator, the
    tenant and the options that the control request gave.
    """

    tenant_class: ClassVar[type[Tenant]] = Tenant
    seeds: ClassVar[Mapping[str, Seed]]
    acts: ClassVar[Mapping[str, Act]] = {}

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.store = Store(self.options.state, self.options.clock, self.tenant_class)
        self.faults = Faults()
        self.journal = Journal(self.options.log, self.options.record_exchanges)

    @abstractmethod
    def identify(self, exchange: Exchange) -> None:
        """Find the caller and tenant of the request without refusing anything yet."""

    @abstractmethod
    def answer(self, exchange: Exchange) -> Answer:
        """Carry the request out; raise Refusal where the vendor would refuse it."""

    @abstractmethod
    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """A refusal in the vendor's shape, for faults and for what the base finds wrong."""

    @abstractmethod
    def public_url(self, exchange: Exchange) -> str:
        """The address at which the real service would have been asked, with its query."""

    @abstractmethod
    def expire_tokens(self) -> None:
        """Refuse every token issued so far."""

    def fault_path(self, exchange: Exchange) -> str:
        """The path by which faults find a request."""
        return exchange.path

    def log_details(self, exchange: Exchange) -> Record:
        """What the log says of a request beyond method, path, query and status."""
        return {}

    def is_secret(self, exchange: Exchange) -> bool:
        """Whether the request's body holds credentials, and so is never recorded."""
        return exchange.path.endswith("/token")

    def controls(self) -> Mapping[tuple[str, str], Callable[[Record, Record], Any]]:
        """Further requests of the control endpoint; each is given the query and the body."""
        return {}

    def now(self) -> datetime:
        """The simulator's time."""
        return datetime.fromtimestamp(self.store.clock(), UTC)

    def handle(self, exchange: Exchange) -> Answer:
        """Carry out one request, save, log and record it; the answer still has to be sent."""
        try:
            answer = self._answer(exchange)
        except Refusal as refused:
            answer = refused.answer()
        if exchange.tenant:
            exchange.tenant.end_request()
        self.store.save()
        self._note(exchange, answer)
        return answer

    def _answer(self, exchange: Exchange) -> Answer:
        self.identify(exchange)
        tenant_id = exchange.tenant.id if exchange.tenant else ""
        name = self.fault_path(exchange)
        exchange.faults = self.faults.hitting(exchange.method, name, tenant_id)
        self.suffer(exchange)
        return self.answer(exchange)

    def suffer(self, exchange: Exchange) -> None:
        """Refuse the request if one of its faults asks for that."""
        faults = exchange.faults
        if "throttle" in faults:
            raise self.refusal(429, "Too many requests.", faults["throttle"].retry_after)
        if "server_error" in faults:
            raise self.refusal(faults["server_error"].status, "The service could not answer.")
        if "refuse" in faults:
            raise self.refusal(faults["refuse"].status, "Refused.")
        if "redirect" in faults:
            raise Refusal(302, None, {"Location": faults["redirect"].location})
        if "drop_before_effect" in faults:
            raise self.refusal(503, "The service could not answer.")

    def read_json(self, exchange: Exchange) -> Any:
        """The request's body as JSON, None where there is none; 400 in the vendor's shape."""
        try:
            return exchange.json()
        except ValueError:
            raise self.refusal(400, "Unable to read JSON request payload.") from None

    def _note(self, exchange: Exchange, answer: Answer) -> None:
        is_dropped = bool(DROPS & set(exchange.faults))
        common = {
            "at": self.now().isoformat(timespec="milliseconds"),
            "tenant": exchange.tenant.id if exchange.tenant else None,
            "app": exchange.caller.app.client_id if exchange.caller else None,
            "is_answered": not is_dropped,
        }
        self.journal.log(
            **common,
            method=exchange.method,
            path=exchange.path,
            query=exchange.options,
            **self.log_details(exchange),
            status=answer.status,
            effects=exchange.effects,
            faults=sorted(exchange.faults),
        )
        for line in exchange.logged:
            self.journal.log(**common, **line)
        # What goes wrong on purpose on the wire is not what the vendor's contract is about.
        if not is_dropped and not exchange.faults.keys() & {"broken_json", "redirect"}:
            self.journal.record(
                exchange.method,
                self.public_url(exchange),
                self._shown_request(exchange),
                answer.status,
                answer.headers,
                answer.body,
            )

    def _shown_request(self, exchange: Exchange) -> Any:
        """The request's body without secrets."""
        if self.is_secret(exchange):
            return "[REDACTED]"
        try:
            return exchange.json()
        except ValueError:
            return exchange.raw.decode("utf-8", "replace")
