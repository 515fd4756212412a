"""Contracts of the energy ledger, one a file, and the small language they are written in (`api`)."""
