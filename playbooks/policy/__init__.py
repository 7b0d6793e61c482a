"""What a tenant allows: rules of engagement, freezes, guardrails, how far a playbook may go."""
