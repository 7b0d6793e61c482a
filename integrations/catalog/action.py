"""What the catalog says of one action, and how its entries are written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

TargetKind = Literal[
    "account", "mailbox", "mailbox_rule", "auth_method", "oauth_grant", "role_assignment",
    "group_membership", "licence", "mailbox_delegate", "trusted_sender", "message", "sender",
    "device", "process", "file", "indicator", "policy_setting", "tenant",
]  # fmt: skip
# What stands on a computer, and is as free or protected as that is.
OF_A_DEVICE: tuple[TargetKind, ...] = ("device", "process", "file")
InputType = Literal["string", "boolean", "integer", "object", "list"]
Listed = Literal["account", "device", "message"]


@dataclass(frozen=True, slots=True)
class CatalogAction:
    """A verb on one kind of target.

    `reversal` names the action that undoes it; where there is none, `no_reversal` says why.
    `owner_words` is the past-tense sentence that the client's owner reads, with ``{target}``.
    `facts` are the top-level answers of a read-only action, by name, with the type of each;
    `lists` says which of them are lists of the client's accounts, devices or messages. Their items
    carry the vendor's `external_id`, by which the directory is asked for what it knows of each; a
    message's is ``mailbox/message``, the mailbox being its account's id or its address. What
    `is_asked_everywhere` is asked of each connector that can tell, for all accounts of the person;
    the items of its lists then say their `provider`. One that `compares_amounts` looks for the
    busiest time of the length of its `hours`, and not at everything in so many.
    `hourly_limit` is the default blast-radius budget: targets per tenant and hour. One target is
    one object, unless `counted_input` names the list that holds the objects, or `uncounted` says
    what is touched of which nobody knows the number before.
    """

    name: str
    title: str
    target: TargetKind
    owner_words: str
    is_read_only: bool = False
    is_containment: bool = False
    inputs: Mapping[str, InputType] = field(default_factory=dict)
    optional_inputs: Mapping[str, InputType] = field(default_factory=dict)
    facts: Mapping[str, InputType] = field(default_factory=dict)
    lists: Mapping[str, Listed] = field(default_factory=dict)
    is_asked_everywhere: bool = False
    compares_amounts: bool = False
    reversal: str | None = None
    no_reversal: str = ""
    d3fend: str = ""
    hourly_limit: int = 10
    counted_input: str = ""
    uncounted: str = ""
    settle_seconds: int = 30
    verify_within_seconds: int = 900


def gatherer(
    name: str,
    title: str,
    target: TargetKind,
    facts: Mapping[str, InputType],
    lists: Mapping[str, Listed] | None = None,
    *,
    is_asked_everywhere: bool = False,
    compares_amounts: bool = False,
    **optional_inputs: InputType,
) -> CatalogAction:
    """Return a question: it reads, changes nothing, and answers with `facts`."""
    return CatalogAction(
        name=name,
        title=title,
        target=target,
        owner_words=title,
        is_read_only=True,
        optional_inputs=optional_inputs,
        facts=facts,
        lists=lists or {},
        is_asked_everywhere=is_asked_everywhere,
        compares_amounts=compares_amounts,
        hourly_limit=0,
    )
