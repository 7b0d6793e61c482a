"""Rights on objects of Active Directory: security descriptors, byte by byte.

Source: [MS-DTYP] 2.4.4 (ACE), 2.4.5 (ACL), 2.4.6 (SECURITY_DESCRIPTOR).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

CREATE_CHILD, DELETE_CHILD, LIST, READ, WRITE, CONTROL = 0x1, 0x2, 0x4, 0x10, 0x20, 0x100
_CONTAINER_INHERIT, _INHERIT_ONLY = 0x2, 0x8
_ALLOW, _DENY, _ALLOW_OBJECT = 0x00, 0x01, 0x05
_DACL_PRESENT, _SELF_RELATIVE = 0x4, 0x8000


@dataclass(frozen=True)
class Right:
    """What somebody may do, or may not (`denied`), with an object and what is below it.

    `of` is the GUID of the attribute, class or extended right that it is about, `on` of the class
    of the objects below that it is passed on to.
    """

    mask: int
    of: str = ""
    on: str = ""
    denied: bool = False

    def entry(self, sid: bytes) -> bytes:
        """The entry for the account with this SID."""
        flags = _CONTAINER_INHERIT | (_INHERIT_ONLY if self.on else 0)
        if not self.of and not self.on:
            kind, content = (_DENY if self.denied else _ALLOW), b""
        else:
            kind = _ALLOW_OBJECT
            present = (1 if self.of else 0) | (2 if self.on else 0)
            named = [uuid.UUID(one).bytes_le for one in (self.of, self.on) if one]
            content = struct.pack("<I", present) + b"".join(named)
        content = struct.pack("<I", self.mask) + content + sid
        return struct.pack("<BBH", kind, flags, 4 + len(content)) + content


def with_rights(descriptor: bytes, sid: bytes, rights: Sequence[Right]) -> bytes:
    """A descriptor (of which only the DACL is kept) with rights for an account put first."""
    start = struct.unpack_from("<I", descriptor, 16)[0]
    revision, _, size, count, _ = struct.unpack_from("<BBHHH", descriptor, start)
    kept = descriptor[start + 8 : start + size]
    ordered = sorted(rights, key=lambda one: not one.denied)
    entries = b"".join(one.entry(sid) for one in ordered) + kept
    acl = struct.pack("<BBHHH", revision, 0, 8 + len(entries), count + len(rights), 0) + entries
    control = struct.unpack_from("<H", descriptor, 2)[0] & ~0x10
    header = struct.pack("<BBHIIII", 1, 0, control | _DACL_PRESENT | _SELF_RELATIVE, 0, 0, 0, 20)
    return header + acl


def owned_by(sid: bytes) -> bytes:
    """A descriptor that says who owns an object, and nothing else."""
    return struct.pack("<BBHIIII", 1, 0, _SELF_RELATIVE, 20, 0, 0, 0) + sid
