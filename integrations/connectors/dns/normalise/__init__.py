"""What the answers of name servers say of a domain. Pure: no database, no network, no clock."""
