"""Planning again: on newer facts, under other rules, for what a playbook in shadow would do."""
