"""Which playbooks hold for which tenant: versions, files brought in, modes, and trust earned."""
