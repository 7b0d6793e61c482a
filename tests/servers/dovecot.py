"""A real mail server: Dovecot, from Debian's packages, with mailboxes as files.

It runs on loopback and as whoever runs the tests. Rights are those of Dovecot's lists, which bind
whoever signs in for others.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap import servers
from tests import memory
from tests.journeys.processes import wait_until
from tests.servers.authority import Authority

HOST = "localhost"
_DOVECOT = "/usr/sbin/dovecot"
_CONFIGURATION = """
base_dir = {place}/base
state_dir = {place}/state
log_path = {place}/log
protocols = imap
listen = 127.0.0.1
{users}
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
auth_mechanisms = plain
auth_failure_delay = 0
first_valid_uid = 0
first_valid_gid = 0
mail_uid = {mail_user}
mail_gid = {mail_group}
mail_location = maildir:{place}/mail/%u:LAYOUT=fs
mail_fsync = never
mail_plugins = acl
protocol imap {{
  mail_plugins = acl imap_acl
}}
plugin {{
  acl = vfile:{place}/rights
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
passdb {{
  driver = passwd-file
  args = {place}/masters
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = {place}/users
}}
userdb {{
  driver = passwd-file
  args = {place}/users
  override_fields = home={place}/mail/%u
}}
"""


@dataclass(frozen=True)
class MailServer:
    """A running mail server at 127.0.0.1:`port`, with its files; `authority` issued its
    certificate."""

    port: int
    authority: Authority
    place: Path
    mail_user: str

    def let_sign_in(self, users: Mapping[str, str], masters: Mapping[str, str]) -> None:
        """Say who may sign in with which password; `masters` for everybody."""
        for name, those in (("users", users), ("masters", masters)):
            lines = [f"{user}:{{PLAIN}}{password}::::::\n" for user, password in those.items()]
            (self.place / name).write_text("".join(lines))

    def give_rights(self, user: str, rights: str) -> None:
        """Let a master user do on all folders what these letters (RFC 4314) say, and no more."""
        fresh = self.place / "rights.new"
        fresh.write_text(f"* user={user} {rights}\n" if rights else "")
        fresh.chmod(0o644)
        fresh.replace(self.place / "rights")

    def keep(self) -> None:
        """Remember all mail as it is now."""
        subprocess.run(["cp", "-a", self.place / "mail", self.place / "kept"], check=True)

    def restore(self) -> None:
        """Bring all mail back to what was kept; nothing where nobody changed any."""
        if _messages(self.place / "mail") == _messages(self.place / "kept"):
            return
        for one in (self.place / "mail").iterdir():
            shutil.rmtree(one)
        subprocess.run(["cp", "-a", f"{self.place}/kept/.", self.place / "mail"], check=True)


def _messages(folder: Path) -> set[str]:
    """Folders and messages; a message's name says its flags, and what else is there is Dovecot's.

    Its lists of messages change when somebody reads.
    """
    found = set()
    for place, folders, files in os.walk(folder):
        within = place.removeprefix(str(folder))
        is_message = within.endswith(("/cur", "/new", "/tmp"))
        found |= {f"{within}/{name}" for name in folders + (files if is_message else [])}
    return found


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """An empty mail server, running until the end; skips where this machine can't have one."""
    if why := servers.why_not("Dovecot"):
        pytest.skip(why)
    told = subprocess.run([_DOVECOT, "--version"], capture_output=True, text=True, check=False)
    if not told.stdout.startswith("2.3."):
        pytest.skip(f"the tests know how to set Dovecot 2.3 up, this is {told.stdout[:20].strip()}")
    # Dovecot's sockets have long names, and its processes several users.
    with tempfile.TemporaryDirectory(prefix="dovecot-", dir=memory.short_place()) as name:
        place = Path(name)
        place.chmod(0o755)
        authority = Authority()
        issued = authority.issue(place / "tls", HOST, "127.0.0.1")
        port = _free_port()
        user = pwd.getpwuid(os.geteuid()).pw_name
        mail_user = "nobody" if os.geteuid() == 0 else user
        group = grp.getgrgid(os.getegid()).gr_name
        own = f"default_internal_user = {user}\ndefault_login_user = {user}\n"
        own += f"default_internal_group = {group}"
        configuration = place / "dovecot.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                place=place, port=port, certificate=issued.certificate, key=issued.key,
                users="" if os.geteuid() == 0 else own, mail_user=mail_user,
                mail_group=pwd.getpwnam(mail_user).pw_gid,
            )
        )  # fmt: skip
        for folder in ("base", "state", "mail"):
            (place / folder).mkdir()
        if os.geteuid() == 0:
            shutil.chown(place / "mail", mail_user)
        server = MailServer(port, authority, place, mail_user)
        server.let_sign_in({}, {})
        server.give_rights("nobody", "")
        with _running(configuration, port):
            yield server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _running(configuration: Path, port: int) -> Iterator[None]:
    # Ends with us, even when we are killed; its processes end with it.
    command = ["setpriv", "--pdeathsig", "TERM", _DOVECOT, "-F", "-c", str(configuration)]
    output = configuration.parent / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_until(lambda: _answers(port, process), 30, output.read_text)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Dovecot has ended"
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
