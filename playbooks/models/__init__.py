"""The rows of this room."""

from playbooks.models.patterns import KnownGood, KnownGoodUse
from playbooks.models.plans import (
    Activation,
    Agreement,
    Approval,
    ClientLink,
    MspRules,
    Plan,
    PlaybookVersion,
    RoutineDefaults,
    RulesOfEngagement,
    Run,
    Step,
    Tier,
    spoken_target,
)
from playbooks.models.quality import Baseline, CaseProcess, CaseQuality
from playbooks.models.questions import Absence, ChatChannel, UserQuestion

__all__ = [
    "Absence",
    "Activation",
    "Agreement",
    "Approval",
    "Baseline",
    "CaseProcess",
    "CaseQuality",
    "ChatChannel",
    "ClientLink",
    "KnownGood",
    "KnownGoodUse",
    "MspRules",
    "Plan",
    "PlaybookVersion",
    "RoutineDefaults",
    "RulesOfEngagement",
    "Run",
    "Step",
    "Tier",
    "UserQuestion",
    "spoken_target",
]
