"""Reading an activity of the Reports API, as the API gives it and as exports flatten it.

The API puts a list of events under ``events`` and each event's parameters into a list of typed
values; exports for log tools keep one event's ``type``, ``name`` and ``parameters`` (an object)
beside ``id`` and ``actor``.
Source: https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.values import Fields, address, content_uid, country
from tenants.errors import Quarantine

_SINGLE = ("value", "intValue", "boolValue")
_MULTIPLE = ("multiValue", "multiIntValue", "multiBoolValue")
_MESSAGES = "multiMessageValue"


@dataclass(frozen=True, slots=True)
class Activity:
    """One event of an activity: what was done, by whom, from where.

    `actor` is an address, or Google's key or id of it; "" where Google itself acted. `affected`
    is the address of the account that was acted on, where the event names one.
    """

    uid: str
    application: str
    type: str
    name: str
    time: dt.datetime
    customer: str
    actor: str
    actor_id: str
    ip: str
    country: str
    parameters: Fields

    @property
    def affected(self) -> str:
        """The account that was acted on."""
        return self.parameters.text(
            "affected_email_address", "USER_EMAIL", "target_user", "grantee_email"
        )


def split(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An activity's record, once for each of its events."""
    events = body.get("events")
    if not isinstance(events, list) or len(events) < 2:
        return [dict(body)]
    return [{**body, "events": [event]} for event in events]


def read(record: Fields) -> Activity:
    """Read an activity with one event; Quarantine where it has no event or no time."""
    told = record.nested("id")
    event = next(iter(record.objects("events")), record)
    name = event.text("name")
    application = told.text("applicationName")
    if not name or not application:
        raise Quarantine(
            "not_an_activity",
            "The record names no event, or not the application that it is about: export the whole "
            "activity of the Reports API.",
        )
    time = _time(told, record)
    actor = record.nested("actor")
    parameters = parameters_of(event.body.get("parameters"))
    network = record.nested("networkInfo")
    return Activity(
        uid=_uid(told, record, event),
        application=application.lower(),
        type=event.text("type"),
        name=name,
        time=time,
        customer=told.text("customerId"),
        actor=actor.text("email", "key", "profileId"),
        actor_id=actor.text("profileId"),
        ip=address(record.text("ipAddress")),
        country=country(network.text("regionCode")),
        parameters=parameters,
    )


def _time(told: Fields, record: Fields) -> dt.datetime:
    if told.has("time"):
        return told.essential_time("time")
    return record.essential_time("time", "p_event_time")


def _uid(told: Fields, record: Fields, event: Fields) -> str:
    """Google's qualifier tells activities of one moment apart, but not the events in one."""
    qualifier = told.text("uniqueQualifier")
    if not qualifier:
        return content_uid(record.body)
    what = {key: event.body.get(key) for key in ("type", "name", "parameters")}
    who = {"actor": record.body.get("actor"), "time": told.text("time")}
    return f"{told.text('applicationName')}:{qualifier}:{content_uid({**what, **who})[7:23]}"


def parameters_of(told: Any) -> Fields:
    """An event's parameters by name, whether they come as a list of typed values or flattened."""
    if isinstance(told, Mapping):
        return Fields(told)
    return Fields(_named(told))


def _named(told: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in told if isinstance(told, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("name"), str):
            found[item["name"]] = _value(item)
    return found


def _value(item: Mapping[str, Any]) -> Any:
    for key in (*_SINGLE, *_MULTIPLE):
        if item.get(key) is not None:
            return item[key]
    message = item.get("messageValue")
    if isinstance(message, Mapping):
        return _named(message.get("parameter"))
    messages = item.get(_MESSAGES)
    if isinstance(messages, list):
        return [_named(m.get("parameter")) for m in messages if isinstance(m, Mapping)]
    return None
