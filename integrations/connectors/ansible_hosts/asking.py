"""Asks hosts how they stand: scripts over ssh, which change nothing.

What changes something goes through Ansible's playbooks (`runner`). A question needs nothing of what
Ansible brings, and a run of it takes many times as long as ssh itself.
"""

import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.connectors.ansible_hosts.inventory import Host
from integrations.connectors.ansible_hosts.programs import Cut, said_by
from integrations.connectors.ansible_hosts.ssh import (
    Sign,
    key_folder,
    options,
    patience,
    refusal,
    unreachable,
)
from integrations.errors import ConnectionMisconfigured, Unavailable, VendorError
from integrations.transport import Limits

PROGRAM = "ssh"
_SCRIPTS = Path(__file__).with_name("scripts")
_AT_ONCE = 10
# The lines of an answer stand between these; a sign-in may say something before, and an answer
# without its end was cut off.
_BEGIN, _END = "holdfast-begin", "holdfast-end"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each host answered, by name: a report, or why there is none."""

    reports: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, VendorError]

    def report(self, name: str) -> Mapping[str, Any]:
        """The report of one host; raises why there is none."""
        if name in self.failures:
            raise self.failures[name]
        return self.reports[name]


class Asker:
    """Asks as one user. Safe to use from several threads."""

    def __init__(self, sign: Sign, limits: Limits) -> None:
        self._sign = sign
        self.limits = limits

    def ask(
        self, hosts: Sequence[tuple[Host, str]], scripts: Sequence[str], service: str = ""
    ) -> Outcome:
        """Run scripts of the folder `scripts` on hosts, each given with its checked address.

        A report holds the lines of the answer in `state`. What hasn't answered when
        `Limits.total` seconds are over counts as unavailable.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise ConnectionMisconfigured(
                "ssh isn't installed where Holdfast runs: apt-get install openssh-client"
            )
        script = _script(scripts, service)
        end = time.monotonic() + self.limits.total
        with key_folder(self._sign) as place, ThreadPoolExecutor(_AT_ONCE) as pool:

            def told(pair: tuple[Host, str]) -> list[str] | VendorError:
                command = self._command(program, place, pair, script)
                return self._told(command, place, pair[0].name, end - time.monotonic())

            answers = zip(hosts, pool.map(told, hosts), strict=True)
            by_name = {host.name: answer for (host, _), answer in answers}
        return Outcome(
            {name: {"state": a} for name, a in by_name.items() if isinstance(a, list)},
            {name: a for name, a in by_name.items() if isinstance(a, VendorError)},
        )

    def _command(self, program: str, place: Path, pair: tuple[Host, str], script: str) -> list[str]:
        host, address = pair
        sudo = "sudo -n " if self._sign.become else ""
        return [
            program, *options(host, place), *patience(self.limits.connect), "-T",
            "-i", str(place / "key"), "-l", self._sign.user, "-p", str(host.port), "--", address,
            f"exec {sudo}sh -c {shlex.quote(script)}",
        ]  # fmt: skip

    def _told(
        self, command: Sequence[str], place: Path, name: str, seconds: float
    ) -> list[str] | VendorError:
        """The lines that a host answers, or why there are none."""
        try:
            said = said_by(
                command, place=place, environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                seconds=max(0.0, seconds), largest=self.limits.largest_body,
            )  # fmt: skip
        except Cut as cut:
            return Unavailable(f"{name}: {cut}. Nothing was changed; it is asked again.")
        _, has_begun, answer = said.partition(f"{_BEGIN}\n")
        lines = answer.splitlines()
        if lines and lines[-1] == _END:
            return lines[:-1]
        words = "The answer was cut off." if has_begun else " ".join(said.split())
        return refusal(name, words) or unreachable(name, words)


def _script(names: Sequence[str], service: str) -> str:
    parts = [(_SCRIPTS / name).read_text("utf-8") for name in names]
    begin = [f"echo {_BEGIN}", "exec 2>/dev/null", f"service={shlex.quote(service)}"]
    return "\n".join([*begin, *parts, f"echo {_END}"])
