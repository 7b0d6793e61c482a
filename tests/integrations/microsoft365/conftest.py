"""A simulated Microsoft 365 and a client connected to it, over real HTTP."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integrations import registry
from integrations.connectors.microsoft365.client import GraphClient, connect
from integrations.contract import Intention, Target
from integrations.transport import Limits
from tests.integrations.simulators.fixtures import RunningSimulator, running_simulator

QUICK = Limits(connect=5, read=5, total=20, repeats=3, backoff=0.05, patience=3)


@dataclass
class Vendor:
    """The simulator of one organisation, and what a connection to it needs."""

    simulator: RunningSimulator
    tenant: dict[str, Any]

    @property
    def control(self) -> Any:
        """The simulator's control endpoint."""
        return self.simulator.control

    @property
    def settings(self) -> dict[str, str]:
        """A connection's settings."""
        base = self.simulator.base_url
        return {
            "tenant_id": self.tenant["id"],
            "client_id": self.tenant["apps"][0]["client_id"],
            "login_endpoint": base,
            "graph_endpoint": base,
            "exchange_endpoint": base,
            "activity_endpoint": base,
        }

    @property
    def secrets(self) -> dict[str, str]:
        """A connection's secrets."""
        return {"client_secret": self.tenant["apps"][0]["secret"]}

    def connect(self, limits: Limits = QUICK, **changed: str) -> GraphClient:
        """A client, with settings or the secret changed."""
        secrets = {"client_secret": changed.pop("client_secret", self.secrets["client_secret"])}
        return connect({**self.settings, **changed}, secrets, allow_private=True, limits=limits)

    def records(self, collection: str) -> list[dict[str, Any]]:
        """What the organisation really holds."""
        state = self.control.state(self.tenant["id"], collection)
        return _lists_in(state)

    def user(self, name: str) -> dict[str, Any]:
        """A user by the part before the @."""
        for user in self.records("users"):
            if user["userPrincipalName"].startswith(f"{name}@"):
                return user
        raise KeyError(name)

    def account(self, name: str) -> Target:
        """A user as the target of an action."""
        user = self.user(name)
        return Target("account", "row", user["id"], user["userPrincipalName"])

    def act(self, verb: str, **given: Any) -> Any:
        """Let something befall the organisation."""
        return self.control.act(verb, tenant=self.tenant["id"], **given)

    def put(self, collection: str, record: dict[str, Any]) -> None:
        """Let the organisation hold a record."""
        self.act("put", collection=collection, record=record)

    def asked_about(self, question: str) -> Target:
        """Whom or what a question can be put about: the victim, or a message that reached her."""
        if not question.startswith("email."):
            return self.account("priya.shah")
        told = self.act("deliver", users=["priya.shah", "anna.berg"], threat="Phish")
        return Target("message", "", told["internetMessageId"], "Unpaid invoice")

    def requests(self, path: str) -> list[dict[str, Any]]:
        """The requests that came for a path, in order."""
        return [line for line in self.control.log() if path in line["path"]]


def _lists_in(state: Any) -> list[dict[str, Any]]:
    """The records in a state, however the control endpoint nests them."""
    if isinstance(state, list):
        return [item for item in state if isinstance(item, dict)]
    if isinstance(state, dict):
        if "id" in state:
            return [state]
        return [record for value in state.values() for record in _lists_in(value)]
    return []


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """An organisation in which priya.shah's mailbox was taken over; pages of five records."""
    with running_simulator(seed="bec", page_size=5) as simulator:
        yield Vendor(simulator, simulator.control.tenants()[0])


@pytest.fixture
def client(vendor: Vendor) -> Iterator[GraphClient]:
    """A client connected to the simulator."""
    connected = vendor.connect()
    yield connected
    connected.close()


@pytest.fixture
def victim(vendor: Vendor) -> Target:
    """The account that was taken over."""
    return vendor.account("priya.shah")


@pytest.fixture
def ask(client: GraphClient, victim: Target) -> Callable[..., dict[str, Any]]:
    """Ask one question, about the victim if about nobody else; the answer must be JSON."""

    def asked(name: str, target: Target = victim, **inputs: Any) -> dict[str, Any]:
        answer = dict(registry.gatherer("microsoft365", name).gather(client, target, inputs))
        assert json.loads(json.dumps(answer)) == answer
        return answer

    return asked


@pytest.fixture
def carry_out(client: GraphClient) -> Callable[..., Any]:
    """Carry an action out; return what was read back, and the inputs of its reversal."""

    def done(name: str, target: Target, **inputs: Any) -> Any:
        action = registry.action("microsoft365", name)
        now = dt.datetime.now(dt.UTC)
        snapshot = action.snapshot(client, Intention(target, inputs, now))
        intended = Intention(target, inputs, now, snapshot)
        action.call(client, intended)
        return action.read_back(client, intended), action.reversal_inputs(intended)

    return done
