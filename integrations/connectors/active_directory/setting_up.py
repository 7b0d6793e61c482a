"""What a technician does at the client's domain to connect it, and which rights are for what."""

from integrations.connectors.active_directory import permissions as rights
from integrations.contract import Permission, SetUpStep

_SCHEMA = "https://learn.microsoft.com/windows/win32/adschema"
_DSACLS = (
    "https://learn.microsoft.com/previous-versions/windows/it-pro/"
    "windows-server-2012-r2-and-2012/cc771151(v=ws.11)"
)
_DELEGATE = (
    "In Active Directory Users and Computers, delegate on the organisational units of the "
    "accounts, for User objects, the permission "
)

PERMISSIONS: tuple[Permission, ...] = (
    Permission(
        rights.READ,
        "Let the service account read all properties of the domain, as Authenticated Users may "
        "where nothing was changed.",
        _DSACLS,
    ),
    Permission(
        rights.READ_DELETED,
        "Give the service account List Contents and Read Property on the container CN=Deleted "
        "Objects with dsacls, so that deleted accounts are seen to be gone.",
        _DSACLS,
    ),
    Permission(
        rights.WRITE_CONTROL,
        f"{_DELEGATE}Write userAccountControl.",
        f"{_SCHEMA}/a-useraccountcontrol",
    ),
    Permission(
        rights.RESET_PASSWORD,
        f"{_DELEGATE}Reset password.",
        f"{_SCHEMA}/r-user-force-change-password",
    ),
    Permission(
        rights.WRITE_PASSWORD_SET,
        f"{_DELEGATE}Write pwdLastSet.",
        f"{_SCHEMA}/a-pwdlastset",
    ),
    Permission(
        rights.WRITE_EXPIRY,
        f"{_DELEGATE}Write accountExpires.",
        f"{_SCHEMA}/a-accountexpires",
    ),
    Permission(
        rights.WRITE_MEMBERS,
        "Delegate on the organisational units of the groups, for Group objects, the permission "
        "Write Members.",
        f"{_SCHEMA}/a-member",
    ),
    Permission(
        rights.MOVE,
        "Delegate Delete User objects on the organisational units of the accounts and Create User "
        "objects on the one for quarantine (both on both, to move back), and for User objects "
        "Write name and Write cn.",
        f"{_SCHEMA}/c-organizationalunit",
    ),
)

SET_UP: tuple[SetUpStep, ...] = (
    SetUpStep(
        "Give each domain controller a certificate, and note the authority that issued it.",
        "https://learn.microsoft.com/troubleshoot/windows-server/active-directory/"
        "enable-ldap-over-ssl-3rd-certification-authority",
    ),
    SetUpStep(
        "Create an ordinary account for Holdfast with a long password that does not expire; make "
        "it a member of no privileged group.",
        "https://learn.microsoft.com/windows-server/identity/ad-ds/manage/"
        "understand-service-accounts",
    ),
    SetUpStep("Delegate to it the permissions of the actions that you want.", _DSACLS),
    SetUpStep(
        "Administrators' accounts take no rights from their organisational unit: where they are to "
        "be contained too, delegate the same on CN=AdminSDHolder,CN=System.",
        "https://learn.microsoft.com/windows-server/identity/ad-ds/plan/security-best-practices/"
        "appendix-c--protected-accounts-and-groups-in-active-directory",
    ),
    SetUpStep(
        "Create an organisational unit for quarantine whose group policies let nobody sign in.",
        f"{_SCHEMA}/c-organizationalunit",
    ),
    SetUpStep(
        "Domain controllers are in private networks: set HOLDFAST_ALLOW_PRIVATE_ENDPOINTS=1 for "
        "this installation, and let it reach port 636."
    ),
)
