"""One signed-in LDAP connection, through ldap3.

Of the three libraries for LDAP, ldap3 (2.9.1, 2021, LGPL) is the one that can be given our own
sockets: python-ldap (3.4.8) and bonsai (1.5.5) are released often, but wrap OpenLDAP's C library,
which connects by name past the check of addresses, and they come as source only, so that a
compiler and two more -dev packages would be needed wherever Holdfast is installed. What an
unreleased library could get wrong is kept small: only requests and raw answers are its work;
sockets, TLS, time limits, referrals, paging, schema and value formats are not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException

from integrations.connectors.active_directory.answers import Asked, Result, lost
from integrations.connectors.active_directory.entries import Entry
from integrations.wires import Dialler, Wire

Changes = Mapping[str, Sequence[tuple[str, Sequence[bytes]]]]
# Control: identifier, whether the server must know it, its value.
Control = tuple[str, bool, bytes | None]


class Line:
    """A connection that one thread uses at a time. Whatever it raises, it is not used again."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._wire: Wire | None = None
        # ldap3 resolves a server's name by itself; this one is never connected to.
        server = ldap3.Server("127.0.0.1", get_info=ldap3.NONE)
        self._ldap = ldap3.Connection(
            server, check_names=False, auto_referrals=False, auto_range=False,
            return_empty_attributes=False, raise_exceptions=False,
        )  # fmt: skip
        # ldap3 has no other way to be given a socket.
        self._ldap.strategy._open_socket = self._open

    def _open(self, *where: Any, **how: Any) -> None:
        self._ldap.socket = self._wire
        self._ldap.closed = False

    def sign_in(self, username: str, password: str) -> Result:
        """Connect and sign in; VendorError where no connection can be made."""
        self._wire = self._dialler.dial()
        self._ldap.authentication = ldap3.SIMPLE
        self._ldap.user, self._ldap.password = username, password
        try:
            self._ldap.open(read_server_info=False)
            self._ask(Asked("sign in"), self._ldap.bind)
        finally:
            self._ldap.password = None
        return self._result()

    def search(
        self, asked: Asked, base: str, *, scope: str, where: str, attributes: Sequence[str],
        controls: Sequence[Control], page: int, seconds: int,
    ) -> tuple[Result, list[Entry], bool]:  # fmt: skip
        """Return the result, the objects, and whether the server has more than one page."""
        self._ask(
            asked, self._ldap.search, base, where, search_scope=scope,
            attributes=list(attributes), controls=list(controls), time_limit=seconds,
            paged_size=page or None, paged_criticality=True,
        )  # fmt: skip
        entries = [
            Entry(one["dn"], {k.lower(): v for k, v in one["raw_attributes"].items()})
            for one in self._ldap.response or ()
            if one["type"] == "searchResEntry"
        ]
        told = (self._ldap.result.get("controls") or {}).get("1.2.840.113556.1.4.319") or {}
        return self._result(), entries, bool((told.get("value") or {}).get("cookie"))

    def modify(self, asked: Asked, name: str, changes: Changes) -> Result:
        """Change an object's attributes, all or none."""
        given = {attribute: list(ones) for attribute, ones in changes.items()}
        self._ask(asked, self._ldap.modify, name, given)
        return self._result()

    def move(self, asked: Asked, name: str, first_part: str, below: str) -> Result:
        """Move an object to another place, without renaming it."""
        self._ask(asked, self._ldap.modify_dn, name, first_part, new_superior=below)
        return self._result()

    def is_quiet(self) -> bool:
        """Whether it can still be used after lying idle."""
        return self._wire is not None and self._wire.is_quiet()

    def close(self) -> None:
        """Give the socket back, without a farewell that might have to wait."""
        if self._wire is not None:
            self._wire.close()

    def _ask(self, asked: Asked, send: Any, *arguments: Any, **options: Any) -> None:
        assert self._wire is not None
        self._wire.begin()
        self._ldap.result = self._ldap.response = None
        try:
            send(*arguments, **options)
        except (LDAPException, OSError) as error:
            raise lost(asked, type(error).__name__) from None
        except Exception as error:
            # Bytes that are no LDAP make the decoders raise whatever they like.
            raise lost(asked, f"the answer is no LDAP ({type(error).__name__})") from None
        if not isinstance(self._ldap.result, dict):
            raise lost(asked, "the answer is no LDAP")

    def _result(self) -> Result:
        return Result(int(self._ldap.result["result"]), str(self._ldap.result["message"] or ""))
