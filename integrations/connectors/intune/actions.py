"""What can be done with a managed device. Intune hands it to the device at its next contact.

Sources: https://learn.microsoft.com/graph/api/intune-devices-manageddevice-syncdevice,
…-remotelock, …-rebootnow, …-retire; …/resources/intune-devices-deviceactionresult,
…/resources/intune-devices-managementstate. Wiping is left to people: it can't be taken back.
"""

from dataclasses import dataclass

from integrations.connectors.intune.client import MANAGED_DEVICES, READ_DEVICES, IntuneClient
from integrations.contract import Action, Intention, Json, ReadBack
from integrations.errors import NotFound
from integrations.microsoft.clocks import is_since
from integrations.microsoft.odata import address
from integrations.values import Fields

_OPERATE = "DeviceManagementManagedDevices.PrivilegedOperations.All"
_PERMISSIONS = (_OPERATE, READ_DEVICES)
_READ = ("id", "deviceName", "managementState", "lastSyncDateTime", "deviceActionResults")
_UNDER_WAY = frozenset({"none", "pending", "active"})
_LEAVING = frozenset({"retirepending", "retireissued"})


def _device(client: IntuneClient, intention: Intention) -> Fields:
    path = address(f"{MANAGED_DEVICES}/{{}}", intention.target.external_id, select=",".join(_READ))
    return Fields(client.get(path, READ_DEVICES))


def _ask(client: IntuneClient, intention: Intention, verb: str) -> None:
    path = address(f"{MANAGED_DEVICES}/{{}}/{verb}", intention.target.external_id)
    client.write("POST", path, _OPERATE)


def _result(device: Fields, verb: str) -> Fields | None:
    """What Intune tells of the newest action of this name."""
    found = [
        r for r in device.objects("deviceActionResults") if r.word("actionName") == verb.lower()
    ]
    return max(found, key=lambda r: r.text("startDateTime"), default=None)


@dataclass(frozen=True, slots=True)
class Command:
    """Have the device do something that leaves nothing to undo: report in, lock, restart."""

    name: str
    verb: str
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: IntuneClient, intention: Intention) -> Json:
        """When it was done last, and when the device reported in last."""
        device = _device(client, intention)
        last = _result(device, self.verb)
        return {
            "last_started": last.text("startDateTime") if last is not None else "",
            "last_sync": device.text("lastSyncDateTime"),
        }

    def call(self, client: IntuneClient, intention: Intention) -> Json:
        """Ask for it, unless it was asked for with this intention and has not failed."""
        own = self._own(_device(client, intention), intention)
        if own is None or own.word("actionState") not in {*_UNDER_WAY, "done"}:
            _ask(client, intention, self.verb)
        return {"action": self.verb}

    def read_back(self, client: IntuneClient, intention: Intention) -> ReadBack:
        """Intune must tell that the device has done it; for a report, that it came."""
        device = _device(client, intention)
        own = self._own(device, intention)
        state = own.text("actionState") if own is not None else "not asked for"
        observed = {"state": state, "last_sync": device.text("lastSyncDateTime")}
        if self.verb == "syncDevice" and self._reported(device, intention):
            words = f"The device reported in at {device.text('lastSyncDateTime')}."
            return ReadBack(True, observed, words)
        is_done = self.verb != "syncDevice" and state.lower() == "done"
        return ReadBack(is_done, observed, f"Intune shows {self.verb} as {state}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Nothing to undo."""
        return None

    def _own(self, device: Fields, intention: Intention) -> Fields | None:
        found = _result(device, self.verb)
        before = Fields(intention.snapshot).time("last_started")
        if found is None or not is_since(found.time("startDateTime"), before, intention.since):
            return None
        return found

    def _reported(self, device: Fields, intention: Intention) -> bool:
        before = Fields(intention.snapshot).time("last_sync")
        return is_since(device.time("lastSyncDateTime"), before, intention.since)


@dataclass(frozen=True, slots=True)
class Retire:
    """Remove the company's data from the device, and the device from Intune."""

    name: str = "endpoint.retire"
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: IntuneClient, intention: Intention) -> Json:
        """That it is managed now, and as what."""
        device = _device(client, intention)
        return {
            "management_state": device.text("managementState"),
            "name": device.text("deviceName"),
        }

    def call(self, client: IntuneClient, intention: Intention) -> Json:
        """Ask for it, unless it is under way or done."""
        try:
            state = _device(client, intention).word("managementState")
        except NotFound:
            if "management_state" not in intention.snapshot:
                raise
            return {"management_state": ""}
        if state not in _LEAVING:
            _ask(client, intention, "retire")
        return {"management_state": "retireIssued"}

    def read_back(self, client: IntuneClient, intention: Intention) -> ReadBack:
        """The device must have done it or be gone: what is asked for waits while it is off."""
        try:
            device = _device(client, intention)
        except NotFound:
            words = "Intune no longer manages the device."
            was_there = "management_state" in intention.snapshot
            return ReadBack(was_there, {"management_state": ""}, words)
        own = _result(device, "retire")
        observed = {
            "management_state": device.text("managementState"),
            "state": own.text("actionState") if own is not None else "",
        }
        if own is not None and own.word("actionState") == "done" and self._is_new(own, intention):
            return ReadBack(True, observed, "The device has removed the company's data.")
        words = observed["management_state"] or "managed"
        return ReadBack(False, observed, f"Intune still lists the device, as {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The device must be enrolled anew by its user."""
        return None

    def _is_new(self, result: Fields, intention: Intention) -> bool:
        return is_since(result.time("startDateTime"), None, intention.since)


ACTIONS: tuple[Action, ...] = (
    Command("endpoint.sync", "syncDevice"),
    Command("endpoint.lock", "remoteLock"),
    Command("endpoint.reboot", "rebootNow"),
    Retire(),
)
