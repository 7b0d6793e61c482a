"""CACAO 2.0, the OASIS format for exchanging playbooks, both ways and without loss.

The workflow is told in CACAO's own words, for every reader: start, action, if-condition (`when`),
while-condition (`for_each`), parallel (steps that need nothing of each other) and end; commands
are `manual`, so a person elsewhere can carry them out. What CACAO has no words for (CEL, tiers,
verdict tables, golden cases, inputs) is in the properties of Holdfast's own extension.

    document = export(playbook)        # a mapping; write(document) gives its JSON
    text = from_json(json_text, name)  # the playbook as YAML; PlaybookError says what is wrong

A document carries the file's text as well. It is given back with its comments as long as the
structure still says the same; once they differ, the structure decides and the text is ignored.

https://docs.oasis-open.org/cacao/security-playbooks/v2.0/security-playbooks-v2.0.html
"""

from playbooks.cacao.exporting import export
from playbooks.cacao.files import read, write
from playbooks.cacao.importing import from_json, in_json, to_yaml

__all__ = ["export", "from_json", "in_json", "read", "to_yaml", "write"]
