"""The rights on mailboxes that the connector needs, as RFC 4314 names them."""

from typing import Final

READ: Final = "lr (look up and read)"
MOVE: Final = "ite (insert, delete and expunge)"
CREATE: Final = "k (create folders)"
