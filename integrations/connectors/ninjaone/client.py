"""NinjaOne's public API 2, for one client: one organisation of the MSP's account.

An application is allowed scopes, and asking for a token with another one is refused: so each
request goes with a token of the one scope that it needs.
Source: https://app.ninjarmm.com/apidocs/ and its OpenAPI document.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.connectors.ninjaone.normalise.computers import PATCHED, computer
from integrations.connectors.ninjaone.normalise.patches import update
from integrations.contract import Json, Standing
from integrations.errors import ConnectionMisconfigured, NotFound, Unauthorised, Unavailable
from integrations.managed.computers import Computer, ScriptRun, Update, Work, agreed_scripts
from integrations.session import ClientCredentials, Session
from integrations.transport import Limits, Transport
from integrations.values import Fields

MONITORING, MANAGEMENT, CONTROL = "monitoring", "management", "control"
TOKEN_PATH = "/ws/oauth/token"  # noqa: S105
_NEEDED = ("endpoint", "organization_id", "client_id", "client_secret")
_PAGE = 100
_ACTIVITIES = 1000
_INSTALLED_DAYS = 90
_ENDED = frozenset({"completed", "cancelled", "blocked"})
# The clock of a computer may be told a little differently each time.
_SAME_START = 60.0


class NinjaoneClient:
    """One organisation, ready to be asked. Methods raise `integrations.errors`."""

    product = "NinjaOne"

    def __init__(
        self,
        sessions: Mapping[str, Session],
        credentials: Mapping[str, ClientCredentials],
        organization_id: str,
        scripts: tuple[str, ...],
    ) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self.organization_id = organization_id
        self.scripts = scripts
        self._own: set[str] = set()

    def __repr__(self) -> str:
        return f"<NinjaoneClient {self._sessions[MONITORING].base_url} {self.organization_id}>"

    def close(self) -> None:
        """Give back the sockets and forget the tokens."""
        for session in self._sessions.values():
            session.close()

    def granted(self) -> frozenset[str]:
        """Return the scopes that NinjaOne gives a token of, asked anew for each."""
        found = set()
        for scope, credentials in self._credentials.items():
            credentials.forget()
            try:
                credentials.headers()
            except Unauthorised:
                continue
            found.add(scope)
        return frozenset(found)

    def get(self, path: str, **query: Any) -> Any:
        """Read with the scope monitoring. Query values of None are left out."""
        return self._sessions[MONITORING].get(path, MONITORING, **query)

    def rows(self, path: str, **query: Any) -> tuple[dict[str, Any], ...]:
        """Read a list."""
        body = self.get(path, **query)
        if not isinstance(body, list):
            raise Unavailable(f"GET {path}: the answer is no list; it is tried again.")
        return tuple(row for row in body if isinstance(row, dict))

    def devices(self, after: str) -> tuple[dict[str, Any], ...]:
        """The devices whose id follows, in the order of their ids; none after the last."""
        return self.rows(
            "/v2/devices-detailed",
            df=f"org={self.organization_id}", pageSize=_PAGE, after=after or None,
        )  # fmt: skip

    def device(self, own_id: str) -> Fields:
        """One device; NotFound where it isn't this organisation's."""
        # An id goes into the path: only a number is one.
        if own_id.isdecimal():
            found = Fields(self.get(f"/v2/device/{own_id}"))
            if found.text("organizationId") == self.organization_id:
                self._own.add(own_id)
                return found
        raise NotFound(f"NinjaOne has no device {own_id} of this organisation.")

    def patches(self, own_id: str, days: int) -> tuple[dict[str, Any], ...]:
        """Updates that a device lacks, and those that were installed in the last days."""
        since = (dt.datetime.now(dt.UTC) - dt.timedelta(days=days)).date().isoformat()
        lacking = self.rows(f"/v2/device/{own_id}/os-patches")
        installed = self.rows(
            f"/v2/device/{own_id}/os-patch-installs", status="INSTALLED", installedAfter=since
        )
        known = {row.get("id") for row in lacking}
        return (*lacking, *(row for row in installed if row.get("id") not in known))

    def computer(self, own_id: str) -> Computer:
        """The computer, with what NinjaOne knows of its system."""
        found, system = self.device(own_id), self._system(own_id)
        user = Fields(self.get(f"/v2/device/{own_id}/last-logged-on-user") or {})
        return computer(found, system, user.text("userName"))

    def computers(self) -> Iterator[Computer]:
        """All computers that get updates."""
        after = ""
        while True:
            page = self.devices(after)
            for row in page:
                if Fields(row).text("nodeClass") in PATCHED:
                    yield computer(Fields(row))
            after = last_id(page)
            if not after:
                return

    def updates(self, own_id: str) -> list[Update]:
        """Updates of the computer."""
        self._check(own_id)
        return [update(Fields(row)) for row in self.patches(own_id, _INSTALLED_DAYS)]

    def mark(self, own_id: str, what: Work) -> Json:
        """The newest activity, and when the computer was started."""
        self._check(own_id)
        newest = [one.number("id") or 0 for one in self._activities(own_id, 10)]
        return {"activity": max(newest, default=0), "started": self._started(own_id)}

    def has_begun(self, own_id: str, what: Work, mark: Json) -> bool:
        """By the activity that opens a run of updates; of a restart, by the job."""
        self._check(own_id)
        if what == "install":
            return "patch_management_apply_patch_started" in self._codes(own_id, mark)
        jobs = self.rows(f"/v2/device/{own_id}/jobs")
        return any(Fields(job).word("sourceType") == "ui_message_action_reboot" for job in jobs)

    def has_restarted(self, own_id: str, mark: Json) -> bool:
        """By the activity, or by when the system started."""
        self._check(own_id)
        if self._started(own_id) > float(mark.get("started") or 0.0) + _SAME_START:
            return True
        return "system_rebooted" in self._codes(own_id, mark)

    def install(self, own_id: str) -> Json:
        """Have the approved updates of the system installed."""
        return self._act(own_id, "patch/os/apply")

    def restart(self, own_id: str) -> Json:
        """Ask for an orderly restart."""
        return self._act(own_id, "reboot/NORMAL", {"reason": "Holdfast"})

    def run(self, own_id: str, script: str) -> Json:
        """Run a script of the account, or a built-in action, by its name."""
        self._check(own_id)
        options = Fields(self.get(f"/v2/device/{own_id}/scripting/options"))
        for found in options.objects("scripts"):
            if found.text("name").casefold() == script.casefold():
                name = "id" if found.word("type") == "script" else "uid"
                body = {"type": found.text("type"), name: found.raw(name)}
                return self._act(own_id, "script/run", body)
        raise NotFound(f"NinjaOne offers no script {script} for this computer.")

    def runs(self, own_id: str, script: str, mark: Json) -> list[ScriptRun]:
        """The runs whose activities name the script."""
        self._check(own_id)
        series: dict[str, list[Fields]] = {}
        for one in self._since(own_id, mark):
            is_run = one.word("activityType") in ("action", "scripting")
            if is_run and one.text("sourceName").casefold() == script.casefold():
                series.setdefault(one.text("seriesUid", "id"), []).append(one)
        return [_run(own, found) for own, found in series.items()]

    def _act(self, own_id: str, path: str, body: Any = None) -> Json:
        self._check(own_id)
        session = self._sessions[MANAGEMENT]
        session.write("POST", f"/v2/device/{own_id}/{path}", MANAGEMENT, body)
        return {"status": "accepted"}

    def _check(self, own_id: str) -> None:
        if own_id not in self._own:
            self.device(own_id)

    def _system(self, own_id: str) -> Fields:
        body = Fields(self.get("/v2/queries/operating-systems", df=f"id={own_id}"))
        return next(
            (s for s in body.objects("results") if s.text("deviceId") == own_id), Fields({})
        )

    def _started(self, own_id: str) -> float:
        return self._system(own_id).real("lastBootTime") or 0.0

    def _activities(self, own_id: str, size: int) -> list[Fields]:
        """The newest activities of a device, newest first."""
        body = self.get(f"/v2/device/{own_id}/activities", pageSize=size)
        return Fields(body if isinstance(body, Mapping) else {}).objects("activities")

    def _since(self, own_id: str, mark: Json) -> list[Fields]:
        after = int(mark.get("activity") or 0)
        found = self._activities(own_id, _ACTIVITIES)
        return [one for one in found if (one.number("id") or 0) > after]

    def _codes(self, own_id: str, mark: Json) -> set[str]:
        return {one.word("statusCode") for one in self._since(own_id, mark)}


def _run(own_id: str, found: list[Fields]) -> ScriptRun:
    end = next((one for one in found if one.word("statusCode") in _ENDED), None)
    result = end.word("activityResult") if end else ""
    return ScriptRun(own_id, end is not None, result == "success" if end else None, result)


def last_id(page: tuple[dict[str, Any], ...]) -> str:
    """The id after which the next page begins; "" after the last."""
    return str(max((Fields(row).number("id") or 0 for row in page), default="") or "")


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> NinjaoneClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {name: value.strip() for name, value in {**settings, **secrets}.items()}
    missing = [name for name in _NEEDED if not given.get(name)]
    if missing:
        raise ConnectionMisconfigured(
            f"The NinjaOne connection lacks {', '.join(missing)}: enter it."
        )
    if not given["organization_id"].isdecimal():
        raise ConnectionMisconfigured(
            "organization_id is a number: copy it from the address of the organisation's page."
        )
    endpoint = given["endpoint"].rstrip("/")
    check_endpoint(endpoint, allow_private=private)
    transport = Transport(allow_private=private, limits=limits)
    credentials = {
        scope: ClientCredentials(
            token_url=f"{endpoint}{TOKEN_PATH}", client_id=given["client_id"],
            client_secret=given["client_secret"], transport=transport, scope=scope,
        )
        for scope in (MONITORING, MANAGEMENT, CONTROL)
    }  # fmt: skip
    sessions = {
        scope: Session(endpoint, transport, credentials[scope])
        for scope in (MONITORING, MANAGEMENT)
    }
    scripts = agreed_scripts(given.get("scripts", ""))
    return NinjaoneClient(sessions, credentials, given["organization_id"], scripts)


def organisation(client: NinjaoneClient) -> str:
    """Return which organisation it is, under whatever address NinjaOne is reached.

    Its number counts within one account of NinjaOne only; the first device's id is unique. ""
    where there is no device.
    """
    found = client.rows("/v2/devices-detailed", df=f"org={client.organization_id}", pageSize=1)
    own = Fields(found[0]).text("uid") if found else ""
    return f"{client.organization_id}-{own}" if own else ""


def canary(client: NinjaoneClient) -> str:
    """Read the organisation through the whole path; say in a sentence what was seen."""
    found = Fields(client.get(f"/v2/organization/{client.organization_id}"))
    return f"Connected to NinjaOne's organisation {found.text('name')[:120]}."


def standing(client: NinjaoneClient) -> Standing:
    """Return which scopes the application is allowed; the scope control is never needed."""
    granted = client.granted()
    return Standing(granted & {MONITORING, MANAGEMENT}, granted & {CONTROL})
