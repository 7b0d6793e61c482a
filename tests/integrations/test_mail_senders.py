"""Whether a sender is who it says, and whether it was made to look like another."""

import pytest

from integrations import mail_senders


@pytest.mark.parametrize(
    ("results", "passes"),
    [("mx; spf=pass; dkim=pass; dmarc=pass", True), ("mx; spf=pass; dkim=pass; dmarc=fail", False),
     ("mx; spf=pass; dkim=pass", True), ("mx; spf=pass; dkim=none", False), ("", False)],
)  # fmt: skip
def test_authentication_is_dmarcs_word_or_that_of_both_others(results, passes) -> None:
    assert mail_senders.passes_authentication(results) is passes


@pytest.mark.parametrize(
    ("domain", "is_like"),
    [("contos0.example", True), ("contosso.example", True), ("contos.example", True),
     ("contoso.example", False), ("fabrikam.example", False), ("", False),
     ("ocntoso.example", False)],
)  # fmt: skip
def test_a_domain_is_like_another_that_differs_by_one_letter(domain, is_like) -> None:
    assert mail_senders.is_lookalike(domain, ["contoso.example"]) is is_like
