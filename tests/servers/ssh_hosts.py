"""Real hosts with OpenSSH: each a network namespace with a file system of its own, on one bridge.

What a host changes of /etc, /usr, /var and /root lies in an overlay of its own, so that packages,
services and firewall rules are really changed, and nothing of this machine is. Takes root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bootstrap import servers
from tests import memory
from tests.journeys.processes import wait_until

NAMES = ("app-1", "db-1", "web-1")
PACKAGE, SERVICE, PORT = "holdfast-sample", "holdfast-sample", 8080
_BRIDGE = "hfb"
_OVERLAID = ("etc", "usr", "var", "root")
_INIT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: holdfast-sample
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
# Short-Description: Listens, so that one can see whether it does
### END INIT INFO
pid=/run/holdfast-sample.pid
case $1 in
  start) start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile $pid \\
    --exec /usr/bin/python3 -- -m http.server --directory /run/lock 8080 || exit $?
    # It has started when it listens.
    for one in $(seq 100); do
      [ -n "$(ss -ltnH 'sport = :8080')" ] && break
      sleep 0.1
    done ;;
  stop) start-stop-daemon --stop --quiet --oknodo --retry 5 --pidfile $pid; rm -f $pid ;;
  restart) $0 stop; $0 start ;;
  status) start-stop-daemon --status --pidfile $pid && echo running ;;
esac
"""
_SHUTDOWN = """#!/bin/sh
echo "$@" >>/run/shutdowns
cat /proc/sys/kernel/random/uuid >/run/boot_id
rm -f /run/reboot-required
"""
_SET_UP = """set -e
place=$1
mount --make-rprivate /
for name in etc usr var root; do
  mount -t overlay overlay \\
    -o "lowerdir=/$name,upperdir=$place/$name,workdir=$place/$name.work" "/$name"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/lock
cat /proc/sys/kernel/random/uuid >/run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /var/lib/apt/lists /var/log/dpkg.log
mkdir -p /var/lib/apt/lists/partial
echo "deb [trusted=yes] file:$2 ./" >/etc/apt/sources.list
echo 'APT::Sandbox::User "root";' >/etc/apt/apt.conf.d/99-as-root
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/not-kept
rm -f /usr/sbin/shutdown /usr/bin/shutdown
cp "$2/shutdown" /usr/sbin/shutdown
cp "$2/init" /etc/init.d/holdfast-sample
chmod 755 /usr/sbin/shutdown /etc/init.d/holdfast-sample
dpkg -i "$2/holdfast-sample_1.deb" >/dev/null
apt-get -q update >/dev/null
exec /usr/sbin/sshd -D -e -f "$place/sshd_config"
"""
_RENEW = """
nft delete table inet holdfast_isolation 2>/dev/null
nft delete table inet fault 2>/dev/null
rm -rf /var/lib/holdfast /etc/holdfast /run/shutdowns /run/reboot-required /var/log/dpkg.log
[ "$(dpkg-query -W -f='${Version}' holdfast-sample)" = 1 ] ||
  dpkg -i --force-downgrade "$1/holdfast-sample_1.deb" >/dev/null 2>&1
rm -f /var/log/dpkg.log
/etc/init.d/holdfast-sample start
"""


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class SshHost:
    """A host: its address, and how to do something on it past SSH."""

    name: str
    address: str
    namespace: str
    place: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    # How often somebody had signed in when it was as new; None where more was done on it since.
    _as_new: int | None = field(default=None, repr=False)

    def renew(self, repository: Path) -> None:
        """Make anew what tests change; nothing where nobody has been on it since the last time."""
        self.signals(signal.SIGCONT)
        if self._as_new != self.sign_ins:
            self.sh(_RENEW, str(repository))
            self._as_new = self.sign_ins

    def sh(self, script: str, *arguments: str) -> str:
        """What a shell says on the host; its exit code doesn't matter."""
        self._as_new = None
        command = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "sh", "-c", script, "sh"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def pings(self, address: str) -> bool:
        """Whether an address answers to a ping from here."""
        return self.sh(f"ping -c 1 -W 0.5 {address} >/dev/null 2>&1 && echo yes") == "yes"

    def connects(self, address: str, port: int) -> bool:
        """Whether a TCP connection to an address can be made from here."""
        script = f"timeout 0.5 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo yes"
        return self.sh(script) == "yes"

    def signals(self, number: int) -> None:
        """Send a signal to the SSH server that listens."""
        os.kill(self.process.pid, number)

    @property
    def sign_ins(self) -> int:
        """How often somebody has signed in."""
        return (self.place / "sshd.log").read_text("utf-8", "replace").count("Accepted publickey")


@dataclass
class Network:
    """Hosts on one bridge, and the key that opens them; `controller` is our own address there."""

    hosts: dict[str, SshHost]
    controller: str
    private_key: str = field(repr=False)
    known_hosts: str = ""
    repository: Path = Path()
    public_key: str = ""

    def allow(self, *, is_allowed: bool) -> None:
        """Let the key open the hosts, or none of them."""
        for host in self.hosts.values():
            text = self.public_key if is_allowed else ""
            (host.place / "authorized_keys").write_text(text)

    def renew(self) -> None:
        """Make anew what tests change."""
        self.allow(is_allowed=True)
        for host in self.hosts.values():
            host.renew(self.repository)

    def reject(self, host: SshHost) -> None:
        """Let no connection to a host's SSH come through."""
        rule = "tcp dport 22 reject with tcp reset"
        chain = f"chain input {{ type filter hook input priority -400; {rule}; }}"
        host.sh(f"nft 'table inet fault {{ {chain}; }}'")


@contextmanager
def ssh_network() -> Iterator[Network]:
    """A fresh network, until the end; skips where this machine can't have one."""
    if why := servers.why_not("Ansible and SSH") or _why_not():
        pytest.skip(why)
    _remove_what_the_dead_left()
    # Not below what hosts get an overlay of.
    with (
        tempfile.TemporaryDirectory(prefix="ssh-hosts-", dir=memory.short_place()) as name,
        ExitStack() as end,
    ):
        place = Path(name)
        repository = _repository(place / "repository")
        # One network for each process, since workers of one test run have one each.
        number = os.getpid() % 4096
        base = f"198.18.{number // 16}.{number % 16 * 16}".rsplit(".", 1)
        addresses = [f"{base[0]}.{int(base[1]) + one}" for one in range(1, 15)]
        bridge = f"{_BRIDGE}{os.getpid()}"
        end.enter_context(_bridge(bridge, addresses[0]))
        private, public = _key(place / "key")
        hosts, known = {}, []
        for index, host in enumerate(NAMES):
            address = addresses[index + 1]
            own, host_key = place / host, _key(place / f"{host}-key")
            started = _Started(host, address, bridge, own, place / f"{host}-key", repository)
            hosts[host] = end.enter_context(started.running())
            known.append(f"{address} {host_key[1]}")
        network = Network(hosts, addresses[0], private, "\n".join(known), repository, public)
        network.allow(is_allowed=True)
        yield network


def _remove_what_the_dead_left() -> None:
    """Remove the namespaces of test runs that were killed."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0] if line.strip() else ""
        pid = name.removeprefix(_BRIDGE).partition("-")[0]
        if name.startswith(_BRIDGE) and pid.isdecimal() and not Path("/proc", pid).exists():
            _end_processes(name)
            # Another run may be quicker.
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _end_processes(namespace: str) -> None:
    told = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
    )
    for pid in told.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def _why_not() -> str:
    """Why network namespaces or overlays can't be had here; "" where they can."""
    name = f"hft{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces can't be had here: {made.stderr.strip()}"
    _run("ip", "netns", "del", name)
    with tempfile.TemporaryDirectory(dir=memory.short_place()) as place:
        for part in ("a", "b"):
            (Path(place) / part).mkdir()
        script = "mount --make-rprivate / && mount -t overlay overlay -o lowerdir=/etc,"
        script += f"upperdir={place}/a,workdir={place}/b /etc"
        made = subprocess.run(
            ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False
        )
    if made.returncode != 0:
        return f"overlays of the file system can't be had here: {made.stderr.strip()}"
    return ""


def _key(path: Path) -> tuple[str, str]:
    """A new pair of keys: the private and the public text."""
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path))
    return path.read_text(), " ".join(path.with_suffix(".pub").read_text().split()[:2])


@contextmanager
def _bridge(name: str, address: str) -> Iterator[None]:
    """A bridge in a namespace between, and our own leg on it."""
    with _namespace(name):
        _run("ip", "-n", name, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", name, "link", "set", "br0", "up")
        _run("ip", "link", "add", name, "type", "veth", "peer", "name", "root", "netns", name)
        try:
            _run("ip", "-n", name, "link", "set", "root", "master", "br0", "up")
            _run("ip", "address", "add", f"{address}/28", "dev", name)
            _run("ip", "link", "set", name, "up")
            yield
        finally:
            subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    _run("ip", "netns", "add", name)
    try:
        yield
    finally:
        _end_processes(name)
        _run("ip", "netns", "del", name)


@dataclass(frozen=True)
class _Started:
    """What is needed to start a host."""

    name: str
    address: str
    bridge: str
    place: Path
    host_key: Path
    repository: Path

    @contextmanager
    def running(self) -> Iterator[SshHost]:
        """The host, until the end."""
        namespace = f"{self.bridge}-{self.name}"
        with _namespace(namespace):
            self._connect(namespace)
            self._write()
            log = (self.place / "sshd.log").open("wb")
            # Ends with us, even when we are killed.
            command = ["ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL"]
            command += ["unshare", "-m", "sh", "-c", _SET_UP, "sh", str(self.place)]
            process = subprocess.Popen(
                [*command, str(self.repository)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                wait_until(lambda: self._answers(process), 60, self._log)
                host = SshHost(self.name, self.address, namespace, self.place, process)
                host.sh("/etc/init.d/holdfast-sample start")
                yield host
            finally:
                process.kill()
                process.wait()
                log.close()

    def _connect(self, namespace: str) -> None:
        leg = f"l{self.name}"
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        _run(
            "ip", "-n", self.bridge, "link", "add", leg, "type", "veth",
            "peer", "name", "eth0", "netns", namespace,
        )  # fmt: skip
        _run("ip", "-n", self.bridge, "link", "set", leg, "master", "br0", "up")
        _run("ip", "-n", namespace, "address", "add", f"{self.address}/28", "dev", "eth0")
        _run("ip", "-n", namespace, "link", "set", "eth0", "up")

    def _write(self) -> None:
        for name in _OVERLAID:
            (self.place / name).mkdir(parents=True)
            (self.place / f"{name}.work").mkdir()
        (self.place / "authorized_keys").touch()
        (self.place / "sshd_config").write_text(
            f"ListenAddress {self.address}\nHostKey {self.host_key}\nUsePAM no\nPidFile none\n"
            f"AuthorizedKeysFile {self.place}/authorized_keys\nStrictModes no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n"
            "MaxStartups 100\n"
        )

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, f"the host has ended:\n{self._log()}"
        return "Server listening" in self._log()

    def _log(self) -> str:
        return (self.place / "sshd.log").read_text("utf-8", "replace")


def _repository(place: Path) -> Path:
    """Two versions of a package, as apt finds them, and the programs that hosts are given."""
    entries: list[str] = []
    for version in ("1", "2"):
        entries.append(_package(place, version))
    (place / "Packages").write_text("\n".join(entries))
    (place / "init").write_text(_INIT)
    (place / "shutdown").write_text(_SHUTDOWN)
    return place


def _package(place: Path, version: str) -> str:
    tree = place / f"tree-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share" / PACKAGE).mkdir(parents=True)
    (tree / "usr/share" / PACKAGE / "version").write_text(f"{version}\n")
    control = (
        f"Package: {PACKAGE}\nVersion: {version}\nArchitecture: all\n"
        f"Maintainer: Nobody <nobody@example.example>\nDescription: A sample {uuid.uuid4()}\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    built = place / f"{PACKAGE}_{version}.deb"
    _run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(built))
    shutil.rmtree(tree)
    content = built.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control}Filename: ./{built.name}\nSize: {len(content)}\nSHA256: {digest}\n"


def stopped(hosts: Sequence[SshHost]) -> None:
    """Let the SSH servers of these hosts take connections, and say nothing."""
    for host in hosts:
        host.signals(signal.SIGSTOP)
