"""What people said when they were asked whether it was them."""

from integrations.contract import Json
from playbooks.questions import user_questions
from tenants.models import Case


def word(case: Case, _inputs: Json) -> Json:
    """Return what people answered so far; that nobody was asked or answered is told as well."""
    return user_questions.word(case)
