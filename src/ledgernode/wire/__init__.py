"""Values of the ledger and their bytes. `docs/formats.md` describes each; `tests/vectors` pins each."""
