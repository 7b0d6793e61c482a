"""Any vendor's simulator, running for tests on a free port of loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import uvicorn

from integrations.simulators.base.app import App, Receive, Scope, Send
from integrations.simulators.base.simulator import Simulator


class Control:
    """The simulator's control endpoint; a refused request raises with the simulator's words."""

    def __init__(self, base_url: str) -> None:
        # Loopback without TLS: reading the authorities would cost more than all its requests.
        self._http = httpx.Client(base_url=f"{base_url}/_simulator", timeout=30, verify=False)

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = self._http.request(method, path, json=body, params=options)
        if answer.status_code != 200:
            raise ValueError(answer.json()["error"])
        return answer.json()

    def tenants(self) -> list[dict[str, Any]]:
        """Each with `id`, `name`, `domain`, `apps` (`client_id`, `secret`, `permissions`)."""
        return self.call("GET", "/tenants")

    def fault(self, kind: str, **options: Any) -> dict[str, Any]:
        """Switch a fault on; see the simulator's faults module for kinds and options."""
        return self.call("POST", "/faults", {"kind": kind, **options})

    def clear_faults(self) -> None:
        self.call("DELETE", "/faults")

    def act(self, act: str, **options: Any) -> Any:
        """Let a user or an attacker do something."""
        return self.call("POST", "/act", {"act": act, **options})

    def log(self, *, since: int = 0, effects: bool = False) -> list[dict[str, Any]]:
        given = {"since": since} | ({"effects": 1} if effects else {})
        return self.call("GET", "/log", **given)

    def effects(self, kind: str = "", target: str = "") -> list[dict[str, Any]]:
        """Every change that the simulator carried out, in order."""
        found = [effect for line in self.log(effects=True) for effect in line["effects"]]
        return [e for e in found if e["kind"].startswith(kind) and target in e["target"]]

    def state(self, tenant: str = "", collection: str = "") -> dict[str, Any]:
        given = {"tenant": tenant, "collection": collection}
        return self.call("GET", "/state", **{k: v for k, v in given.items() if v})

    def permissions(self, granted: list[str], tenant: str = "") -> None:
        self.call("POST", "/permissions", {"granted": granted, "tenant": tenant})

    def seed(self, seed: str = "demo", now: str = "") -> list[dict[str, Any]]:
        return self.call("POST", "/seed", {"seed": seed, "now": now})

    def reset(self, seed: str = "", now: str = "") -> None:
        self.call("POST", "/reset", {"seed": seed, "now": now})


class Overheard:
    """The application, and in memory only what credentials clients sent to it in headers."""

    def __init__(self, simulator: Simulator) -> None:
        self._app = App(simulator)
        self.credentials: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope.get("headers", ()):
            if name.lower() in {b"authorization", b"x-api-key", b"api-key"}:
                self.credentials.add(value.decode("latin-1").rpartition(" ")[2])
        await self._app(scope, receive, send)


@dataclass
class Served:
    """A simulator that answers at `base_url`."""

    base_url: str
    control: Control
    simulator: Simulator
    credentials: set[str] = field(repr=False)


class AtOnce(uvicorn.Server):
    """A server that stops when it is told to: uvicorn's own looks up ten times a second only."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Drop every connection and end; safe from any thread, also before it began."""
        self.should_exit = True
        self._told.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """Renew the date that answers carry, until told to stop."""
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not self._told.is_set():
            await self.on_tick(ticks)
            ticks += 10
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody is waited for: whoever asked is done with it."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


@contextmanager
def serving(
    simulator: Simulator, *, seed: str, now: datetime | None = None, port: int = 0
) -> Iterator[Served]:
    """The simulator in a thread, seeded unless it has tenants, ready when this returns."""
    if not simulator.store.tenants:
        simulator.seeds[seed](simulator.store, now or simulator.now(), 1)
    app = Overheard(simulator)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="error",
        access_log=False, proxy_headers=False, lifespan="off", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = AtOnce(config)
    # asyncio turns off Nagle's delay (40 ms a request) only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(100)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    control = Control(base_url)
    # The socket listens already, so the first request waits until the server takes it.
    control.call("GET", "/health")
    try:
        yield Served(base_url, control, simulator, app.credentials)
    finally:
        server.stop()
        thread.join(timeout=10)
        simulator.store.close()
