"""What the connector of hosts over SSH brings and what it can do."""

from integrations.connectors.ansible_hosts import feeds
from integrations.connectors.ansible_hosts.actions import ACTIONS
from integrations.connectors.ansible_hosts.client import SSH, canary, connect
from integrations.connectors.ansible_hosts.gatherers import GATHERERS
from integrations.connectors.ansible_hosts.inventory import addresses_of
from integrations.connectors.ansible_hosts.normalise.dispatch import normaliser
from integrations.contract import Feed, Manifest, Organisation, Permission, SetUpStep
from integrations.envelopes import Exploder

_CONNECTION = "https://docs.ansible.com/ansible/latest/inventory_guide/connection_details.html"
_KEYSCAN = "https://man.openbsd.org/ssh-keyscan.1"
_KEYS = "https://man.openbsd.org/sshd.8#AUTHORIZED_KEYS_FILE_FORMAT"

MANIFEST = Manifest(
    id="ansible_hosts",
    vendor="OpenSSH",
    title="Hosts over SSH (Ansible)",
    documentation=_CONNECTION,
    settings={
        "hosts": "A line for each host: its name, its address with :port where that isn't 22, and "
        "if you like ring:pilot or another ring for updates.",
        "known_hosts": "The hosts' own keys, as ssh-keyscan prints them. A host with another key "
        "is refused.",
        "user": "Optional: who signs in, default root. Any other must be allowed to sudo without "
        "a password.",
        "management_addresses": "Optional: addresses or networks that keep SSH access to an "
        "isolated host, besides the one that Holdfast comes from.",
        "at_once": "Optional: how many hosts are asked at once, default 10.",
    },
    secrets={"private_key": "Private SSH key of Holdfast for this client, without passphrase."},
    permissions=(
        Permission(
            SSH,
            "On the host, add Holdfast's public key to the user's authorized_keys, and let a user "
            "who isn't root sudo without a password.",
            _KEYS,
        ),
    ),
    rate_limits=(),
    set_up=(
        SetUpStep(
            "Install ansible-core and openssh-client where Holdfast runs (Debian: apt-get), and "
            "set HOLDFAST_ALLOW_PRIVATE_ENDPOINTS=1 if the hosts have private addresses.",
            _CONNECTION,
        ),
        SetUpStep(
            "Make a key for this client alone (ssh-keygen -t ed25519 -N ''), and add its public "
            "half to authorized_keys on each host.",
            _KEYS,
        ),
        SetUpStep(
            "Collect the hosts' own keys with ssh-keyscan, and compare them with those on the "
            "hosts.",
            _KEYSCAN,
        ),
        SetUpStep("Install the package nftables on hosts that you want to isolate."),
    ),
    feeds=(
        Feed(
            name="hosts", title="Hosts, their services and firewall", permissions=(SSH,),
            normalise=normaliser("hosts"), fetch=feeds.hosts, interval_seconds=3600,
            lists=("device",),
            documentation=_CONNECTION,
        ),
        Feed(
            name="updates", title="Updates that are missing or were installed",
            permissions=(SSH,), normalise=normaliser("updates"), fetch=feeds.updates,
            interval_seconds=6 * 3600, lists=("patch",), documentation=_CONNECTION,
        ),
    ),
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(part="hosts", split=addresses_of, port=22),
    explode=Exploder(lists=()),
)  # fmt: skip
