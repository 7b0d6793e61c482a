"""What is known of attackers: read from STIX, TAXII, MISP, CSV and KEV, kept, and looked for."""
