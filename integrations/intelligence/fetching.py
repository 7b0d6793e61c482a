"""Reading a source of indicators over the network, through the guarded transport.

A collection or a feed of events is taken in piece by piece, each with how far it was read, so that
what broke off is gone on with. MISP feeds: https://www.circl.lu/doc/misp/managing-feeds/ (a
`manifest.json` that names each event with its time, and a file for each).
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import transaction

from integrations.addresses import private_endpoints_allowed
from integrations.errors import AnswerTooLarge, NotFound, Throttled
from integrations.intelligence import (
    context_store,
    reading,
    sightings,
    sources,
    stix,
    store,
    taxii,
)
from integrations.intelligence.found import Found
from integrations.intelligence.reading import Unreadable
from integrations.models import IndicatorSource
from integrations.transport import Call, Limits, Transport
from tenants.errors import HoldfastError

# The largest catalogues have about 100 MB.
_LIMITS = Limits(total=240, largest_body=reading.LARGEST)
# A worker is not held for longer; what is left is gone on with at once, in another turn.
_LONGEST_SECONDS = 180.0
_UUID = re.compile(r"[0-9a-fA-F-]{36}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read, signed in how, and what holds where nothing is told. See `sources.Wish`.

    `scheduled` is the source's row, where it is one that is read on its schedule.
    """

    source: str
    address: str
    username: str = ""
    secret: str = field(default="", repr=False)
    confidence: int = store.USUAL_CONFIDENCE
    days: int = store.BY_KIND
    scheduled: uuid.UUID | None = None

    def headers(self, *, bare: bool = False) -> dict[str, str]:
        """Return how a request signs in; a `bare` key stands without a scheme, as MISP takes it."""
        if not self.secret:
            return {}
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {"Authorization": self.secret if bare else f"Bearer {self.secret}"}

    def server(self) -> taxii.Server:
        """Return the TAXII server of the address."""
        name = self.username
        return taxii.Server(
            self.address.partition(" ")[0], username=name, password=self.secret if name else "",
            token="" if name else self.secret,
        )  # fmt: skip


@dataclass(slots=True)
class Read:
    """What a reading came to; `is_whole` where there was time for all of it."""

    outcome: store.Outcome = field(default_factory=store.Outcome)
    is_whole: bool = True
    _until: float = field(default_factory=lambda: time.monotonic() + _LONGEST_SECONDS)

    def goes_on(self) -> bool:
        """Whether there is time for more."""
        self.is_whole = time.monotonic() < self._until
        return self.is_whole


def read(source_id: uuid.UUID) -> None:
    """Read a source that is due, and plan its next time. Handler of the message `source`."""
    row = sources.claim(source_id)
    if row is None:
        return
    told = Read()
    try:
        _take(row, told)
    except Throttled as error:
        sources.failed(row, str(error), wait=error.retry_after)
    except HoldfastError as error:
        sources.failed(row, str(error))
    except BaseException as error:
        # What nobody foresaw is seen on the page too, and in the worker's log.
        sources.failed(row, f"It broke off ({type(error).__name__}): the log says why.")
        raise
    else:
        sources.succeeded(row, told.outcome.as_json(), is_whole=told.is_whole)
    finally:
        # Also for what was taken in before it broke off.
        if told.outcome.added:
            sightings.look_again()


def _take(row: IndicatorSource, told: Read) -> None:
    place = Place(
        row.name, row.address, row.username, sources.secret_of(row), row.confidence, row.days,
        scheduled=row.id,
    )  # fmt: skip
    if row.kind == sources.Kind.TAXII:
        collection(place, told, after=row.reached)
    elif row.kind == sources.Kind.MISP:
        misp_feed(place, told, after=row.reached)
    else:
        told.outcome += address(place)


@contextmanager
def transport() -> Iterator[Transport]:
    """Yield what sends requests to a source, within bounds and never into our own network."""
    sending = Transport(allow_private=private_endpoints_allowed(), limits=_LIMITS)
    try:
        yield sending
    finally:
        sending.close()


def address(place: Place) -> store.Outcome:
    """Take in what stands at an address; Unreadable or a VendorError says why not."""
    with transport() as sending:
        content = sending.content(Call("GET", place.address, place.headers()))
    with transaction.atomic():
        return _keep(place, reading.read(content))


def collection(place: Place, told: Read, *, after: str = "") -> None:
    """Take in a TAXII collection from where it was (`after`); errors as `address`.

    `told` is what the reading came to, also where it breaks off.
    """
    name = place.address.partition(" ")[2]
    context = stix.Context(named=context_store.named(place.source))
    try:
        with transport() as sending:
            for page in taxii.pages(place.server(), name, sending, added_after=after):
                with transaction.atomic():
                    found = reading.read_document({"objects": [], **page.envelope}, context)
                    told.outcome += _keep(place, found)
                    store.reach(place.source, place.address, page.reached)
                if told.outcome.read > reading.MOST:
                    raise Unreadable(f"There are more than {reading.MOST:,} indicators.")
                if page.reached and page.envelope.get("more") and not told.goes_on():
                    break
    finally:
        # A relation may stand on a later page than what it is of.
        context_store.keep(place.source, context)


def misp_feed(place: Place, told: Read, *, after: str = "") -> None:
    """Take in the events of a MISP feed that are newer than `after`; all as `collection`."""
    root = place.address.removesuffix("/manifest.json").rstrip("/")
    headers = place.headers(bare=True)
    with transport() as sending:
        manifest = _json(sending.content(Call("GET", f"{root}/manifest.json", headers)))
        for at, name in _newer(manifest, after):
            if not told.goes_on():
                break
            found, left = _event(Call("GET", f"{root}/{name}.json", headers), sending)
            with transaction.atomic():
                told.outcome += _keep(place, iter(found)) + left
                store.reach(place.source, place.address, f"{at} {name}")


def _event(call: Call, sending: Transport) -> tuple[list[Found], store.Outcome]:
    """Return what an event tells, or nothing, and why it is left out.

    What is wrong with one event is no reason to read none of those behind it.
    """
    try:
        return list(reading.read_document(_json(sending.content(call)))), store.Outcome()
    except NotFound:
        why = "it is not there"
    except AnswerTooLarge:
        why = "it is too large"
    except Unreadable:
        why = "it can't be read"
    return [], store.Outcome(not_matched={f"a whole event: {why}": 1})


def _newer(manifest: object, after: str) -> list[tuple[str, str]]:
    """Return (time, id) of the events after a place in the order of both, the oldest first."""
    if not isinstance(manifest, dict) or not all(isinstance(v, dict) for v in manifest.values()):
        raise Unreadable("There is no MISP manifest at the address: give the feed's folder.")
    told = sorted(
        (str(about.get("timestamp", "0"))[:20].zfill(12), name)
        for name, about in manifest.items()
        if _UUID.fullmatch(name)
    )
    return [one for one in told if " ".join(one) > after]


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("The answer is no JSON: check the address.") from None


def _keep(place: Place, found: Iterator[Found]) -> store.Outcome:
    """Keep what a source tells, in a transaction; BadSource where it was removed meanwhile."""
    if place.scheduled is not None:
        row = IndicatorSource.objects.select_for_update().filter(id=place.scheduled)
        if not row.exists():
            raise sources.BadSource("The source was removed.")
    return store.keep(place.source, found, confidence=place.confidence, days=place.days)
