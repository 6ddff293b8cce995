"""Studies: many runs that answer one question, and the ledger that keeps what came out."""
