"""Job titles that say how much hangs on a person: who orders money moved, and who moves it.

Who can order it or sign for the firm is important (a VIP); who pays bills, wages or tax is more
critical than others.

The first are whom business e-mail compromise impersonates, the second whom it is written to: FBI
IC3, "Business Email Compromise", https://www.ic3.gov/CrimeInfo/BEC. Small firms rarely mark anybody
in their directory, but they do write titles there.
"""

import re
import unicodedata
from typing import Final

# Of 1 (low) to 4 (critical).
HANDLES_MONEY: Final = 3

_TITLES = (
    r"owner", r"co-?owner", r"founder", r"co-?founder", r"proprietor", r"chair(man|woman|person)?",
    r"chief [a-z]+ officer", r"c[efoi]o", r"cto", r"ciso", r"cfo", r"president",
    r"(managing|executive|finance|financial) director", r"director of finance",
    r"managing partner", r"general manager", r"treasurer", r"comptroller", r"controller",
    r"head of (finance|accounting|accounts|payroll)", r"payroll manager", r"finance manager",
    r"geschaftsfuhrer(in)?", r"inhaber(in)?", r"gerante?", r"directeur (general|financier)",
    r"proprietaire", r"duen[oa]", r"propietari[oa]", r"director general", r"titolare",
    r"amministratore delegato", r"eigenaar", r"directeur",
)  # fmt: skip
_IMPORTANT = re.compile(rf"\b({'|'.join(_TITLES)})\b")
_MONEY = re.compile(
    r"\b(accounts? (payable|receivable|assistant|clerk|officer|administrator)|accountant"
    r"|book-?keeper|payroll|purchase ledger|sales ledger|finance (assistant|officer|administrator"
    r"|clerk|analyst|business partner)|billing|cashier|buchhalter(in)?|lohnbuchhalter(in)?"
    r"|comptable|contable|contabile|boekhouder)\b"
)
# Who works for such a person is not meant, nor who is next to one by rank.
_NOT = re.compile(r"\b(assistant|secretary|to the|office of|vice[ -]president|product owner)\b")


def is_important(title: str) -> bool:
    """Whether a job title, as a directory has it, names somebody important. Pure."""
    plain = _plain(title)
    return _IMPORTANT.search(plain) is not None and _NOT.search(plain) is None


def handles_money(title: str) -> bool:
    """Whether a job title names somebody who pays bills, wages or tax. Pure."""
    return _MONEY.search(_plain(title)) is not None


def _plain(title: str) -> str:
    """Return a title without case and accents."""
    decomposed = unicodedata.normalize("NFKD", title.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))
