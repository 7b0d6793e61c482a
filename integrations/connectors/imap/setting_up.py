"""What a technician does at the mail server to connect it, and which rights are for what."""

from integrations.connectors.imap import permissions as rights
from integrations.contract import Permission, SetUpStep

_RIGHTS = "https://www.rfc-editor.org/rfc/rfc4314.html#section-2.1"
_DOVECOT_MASTER = "https://doc.dovecot.org/2.3/configuration_manual/authentication/master_users/"
_DOVECOT_ACL = "https://doc.dovecot.org/2.3/configuration_manual/acl/"

PERMISSIONS: tuple[Permission, ...] = (
    Permission(
        rights.READ,
        "Let the user see and read all folders of the mailboxes; a mailbox's own user may.",
        _RIGHTS,
    ),
    Permission(
        rights.MOVE,
        "Let the user put messages into folders and take them out of folders; a mailbox's own "
        "user may.",
        _RIGHTS,
    ),
    Permission(
        rights.CREATE,
        "Let the user make folders, for the quarantine; a mailbox's own user may.",
        _RIGHTS,
    ),
)

SET_UP: tuple[SetUpStep, ...] = (
    SetUpStep(
        "For more than one mailbox, create a user that may sign in for others, such as a master "
        "user of Dovecot; enter it as user name.",
        _DOVECOT_MASTER,
    ),
    SetUpStep(
        "Where the server keeps lists of rights, give that user the rights above on all folders.",
        _DOVECOT_ACL,
    ),
    SetUpStep(
        "For a single mailbox leave the user name empty and enter the mailbox's own password, or "
        "an app password where the provider has such."
    ),
    SetUpStep(
        "A server in a private network: set HOLDFAST_ALLOW_PRIVATE_ENDPOINTS=1 for this "
        "installation, and let it reach port 993."
    ),
)
