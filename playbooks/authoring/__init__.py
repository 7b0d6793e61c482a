"""The YAML that playbooks are written in: read, checked, kept in versions, taken in from files."""
