"""What the IMAP connector brings and what it can do, with the least right for each."""

from integrations.connectors.imap import feeds, normalise
from integrations.connectors.imap.actions import ACTIONS
from integrations.connectors.imap.client import canary, connect, mailboxes_of
from integrations.connectors.imap.gatherers import GATHERERS
from integrations.connectors.imap.permissions import READ
from integrations.connectors.imap.setting_up import PERMISSIONS, SET_UP
from integrations.connectors.imap.standing import standing
from integrations.contract import Feed, Manifest, Organisation
from integrations.envelopes import Exploder

FEEDS: tuple[Feed, ...] = (
    Feed(
        name="mailboxes", title="Mailboxes and their folders", permissions=(READ,),
        normalise=normalise.mailbox, fetch=feeds.mailboxes, interval_seconds=3600,
        lists=("mailbox",),
        documentation="https://www.rfc-editor.org/rfc/rfc3501.html#section-6.3.8",
    ),
    Feed(
        name="messages", title="Heads of messages that came and went", permissions=(READ,),
        normalise=normalise.message, fetch=feeds.messages,
        documentation="https://www.rfc-editor.org/rfc/rfc3501.html#section-6.4.5",
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="imap",
    vendor="Any",
    title="Mail over IMAP",
    documentation="https://www.rfc-editor.org/rfc/rfc3501.html",
    settings={
        "server": "Name of the mail server, as its certificate has it; with :port only where it "
        "isn't 993.",
        "mailboxes": "Addresses (sign-in names) of the mailboxes, with commas between them.",
        "username": "Optional: user that may sign in for all these mailboxes; without it, the "
        "mailbox signs in by itself.",
        "certificate_authority": "Optional: certificate (PEM) of the authority that issued the "
        "server's; without it the public ones are trusted.",
        "quarantine_folder": "Optional: folder in each mailbox for messages that are put aside, "
        "default Holdfast Quarantine. Where all folders are below INBOX, name it so too.",
        "page_size": "Optional: how many heads are asked for at once, default 200.",
    },
    secrets={"password": "Password of that user, or of the mailbox."},
    permissions=PERMISSIONS,
    rate_limits=(),
    set_up=SET_UP,
    feeds=FEEDS,
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    standing=standing,
    organisation=Organisation(at=("server",), part="mailboxes", split=mailboxes_of, port=993),
    explode=Exploder(lists=()),
)
