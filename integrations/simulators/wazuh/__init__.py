"""A stateful stand-in for Wazuh's manager and indexer over HTTP: python -m, --port."""
