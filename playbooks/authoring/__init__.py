"""The YAML that playbooks are written in: its parts read, and checked as a whole."""
