"""A running Microsoft 365 simulator for tests of any room."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msal
import uvicorn

from integrations.simulators.base.app import App
from integrations.simulators.base.simulator import Options
from integrations.simulators.microsoft365.seeds import SEEDS
from integrations.simulators.microsoft365.simulator import Microsoft365

LOGIN = "https://login.microsoftonline.com"


class Control:
    """The simulator's control endpoint; a refused request raises with the simulator's words."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=f"{base_url}/_simulator", timeout=30)

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


@dataclass
class RunningSimulator:
    """A simulator that answers at `base_url`."""

    base_url: str
    control: Control
    simulator: Microsoft365

    def token(self, tenant: dict[str, Any], scope: str = "https://graph.microsoft.com") -> str:
        """A token of the tenant's first application, without msal."""
        app = tenant["apps"][0]
        answer = httpx.post(
            f"{self.base_url}/{tenant['id']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": app["client_id"],
                "client_secret": app["secret"],
                "scope": f"{scope}/.default",
            },
        )
        answer.raise_for_status()
        return answer.json()["access_token"]

    def graph(self, tenant: dict[str, Any] | None = None) -> httpx.Client:
        """A client of Graph v1.0 signed in to a tenant (default: the first)."""
        chosen = tenant or self.control.tenants()[0]
        headers = {"Authorization": f"Bearer {self.token(chosen)}"}
        return httpx.Client(base_url=f"{self.base_url}/v1.0", headers=headers, timeout=30)

    def msal_app(self, tenant: dict[str, Any], secret: str = "") -> Any:
        """An msal application whose authority is rewritten to the simulator."""
        app = tenant["apps"][0]
        return msal.ConfidentialClientApplication(
            app["client_id"],
            client_credential=secret or app["secret"],
            authority=f"{LOGIN}/{tenant['id']}",
            http_client=_Rewriting(self.base_url),
        )


class _Rewriting:
    """msal insists on https; this sends what is meant for Microsoft to the simulator."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._http = httpx.Client(timeout=30)

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self._send("GET", url, options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self._send("POST", url, options)

    def close(self) -> None:
        self._http.close()

    def _send(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        options.pop("timeout", None)
        return self._http.request(method, url.replace(LOGIN, self._base_url), **options)


@contextmanager
def running_simulator(
    *,
    seed: str = "bec",
    now: datetime | None = None,
    port: int = 0,
    state: Path | None = None,
    log: Path | None = None,
    record_exchanges: Path | None = None,
    **options: Any,
) -> Iterator[RunningSimulator]:
    """A simulator on a free port of loopback, in a thread, ready when this returns.

    `options` are those of `Options`: expires_in, page_size, clock.
    """
    simulator = Microsoft365(
        Options(state=state, log=log, record_exchanges=record_exchanges, **options)
    )
    if not simulator.store.tenants:
        SEEDS[seed](simulator.store, now or simulator.now(), 1)
    config = uvicorn.Config(
        App(simulator), host="127.0.0.1", port=port, log_level="error",
        access_log=False, proxy_headers=False, lifespan="off", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    # asyncio turns off Nagle's delay (40 ms a request) only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(100)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # The socket listens already, so the first request waits until the server takes it.
    Control(base_url).call("GET", "/health")
    try:
        yield RunningSimulator(base_url, Control(base_url), simulator)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)
        simulator.store.close()
