"""The table that risk is worked out by, in words."""

from dataclasses import dataclass

from playbooks.cases.risk_table import RiskTable, in_force

_WORDS = {
    ("severity", ""): ("Severity of the worst alert", "{name}"),
    ("several_signals", "each_more"): ("Several signals", "each further kind of alert"),
    ("several_signals", "most"): ("Several signals", "at most"),
    ("privilege", "points"): ("Privilege", "the account holds a privileged role"),
    ("criticality", "important_person"): ("Criticality", "an important person"),
    ("criticality", "person_level_3"): ("Criticality", "a person of criticality 3"),
    ("criticality", "person_level_4"): ("Criticality", "a person of criticality 4"),
    ("criticality", "server"): ("Criticality", "a server"),
    ("criticality", "device_level_3"): ("Criticality", "a device of criticality 3"),
    ("criticality", "device_level_4"): ("Criticality", "a device of criticality 4"),
    ("exposure", "no_second_factor"): ("Exposure", "no second sign-in factor is registered"),
    ("exposure", "known_exploited_hole"): (
        "Exposure",
        "a hole on a device that attackers are known to use",
    ),
    ("exposure", "internet_facing"): ("Exposure", "a device that the internet reaches"),
    ("provider_risk", "medium"): ("Provider's own risk", "medium"),
    ("provider_risk", "high"): ("Provider's own risk", "high"),
    ("intelligence", "known_indicator"): ("Intelligence", "a known indicator of an attack"),
}


@dataclass(frozen=True, slots=True)
class RiskLine:
    """One line of the table."""

    group: str
    when: str
    points: int


def lines(table: RiskTable | None = None) -> list[RiskLine]:
    """Return the lines of the table, in its order."""
    table = table or in_force()
    found = []
    for group, told in table.points.items():
        for name, points in told.items():
            title, when = _WORDS.get((group, name)) or _WORDS.get((group, "")) or ("", "")
            if title:
                found.append(RiskLine(title, when.format(name=name), points))
    return [*found, *_composed(table)]


def _composed(table: RiskTable) -> list[RiskLine]:
    """Return the lines of which a number says when they count."""
    days = table.of("recent_history", "days")
    sure = table.of("confidence", "from_percent")
    times = table.of("recent_history", "harmless_from_cases")
    attacked = f"a real attack on the same person or device in the last {days} days"
    harmless = f"the same was harmless {times} times or more in {days} days, and no attack"
    return [
        RiskLine("Confidence", f"the vendor is at least {sure} % sure",
                 table.of("confidence", "points")),
        RiskLine("Recent history", attacked, table.of("recent_history", "true_positive")),
        RiskLine("Recent history", harmless, table.of("recent_history", "harmless")),
    ]  # fmt: skip
