"""A running Microsoft 365 simulator for tests of any room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msal

from integrations.simulators.base.simulator import Options
from integrations.simulators.microsoft365.simulator import Microsoft365
from tests.integrations.simulators.serving import Served, serving

LOGIN = "https://login.microsoftonline.com"


class RunningSimulator(Served):
    """A simulated Microsoft 365 that answers at `base_url`."""

    def token(self, tenant: dict[str, Any], scope: str = "https://graph.microsoft.com") -> str:
        """A token of the tenant's first application, without msal."""
        app = tenant["apps"][0]
        answer = httpx.post(
            f"{self.base_url}/{tenant['id']}/oauth2/v2.0/token",
            # Loopback without TLS: reading the authorities would cost more than the request.
            verify=False,
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
        return httpx.Client(
            base_url=f"{self.base_url}/v1.0", headers=headers, timeout=30, verify=False
        )

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
    with serving(simulator, seed=seed, now=now, port=port) as served:
        yield RunningSimulator(
            served.base_url, served.control, served.simulator, served.credentials
        )
