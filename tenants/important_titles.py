"""Job titles that make a person important (a VIP): who can order money moved or sign for the firm.

Such people are whom business e-mail compromise impersonates and aims at: FBI IC3, "Business Email
Compromise", https://www.ic3.gov/CrimeInfo/BEC. Small firms rarely mark anybody in their directory,
but they do write titles there.
"""

import re
import unicodedata

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
# Who works for such a person is not meant, nor who is next to one by rank.
_NOT = re.compile(r"\b(assistant|secretary|to the|office of|vice[ -]president|product owner)\b")


def is_important(title: str) -> bool:
    """Whether a job title, as a directory has it, names somebody important. Pure."""
    decomposed = unicodedata.normalize("NFKD", title.casefold())
    plain = "".join(one for one in decomposed if not unicodedata.combining(one))
    return _IMPORTANT.search(plain) is not None and _NOT.search(plain) is None
