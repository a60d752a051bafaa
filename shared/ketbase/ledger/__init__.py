"""The ledger of money: every amount is reserved, then settled, and the rest released."""
