"""Communities as documents, and who lives in them: houses that use, make, store, steal, trade and pay.

`scenario` is the document and its rules, `days` what people use and the sun gives, `street` the wires and what flows in
them, `trading` what a house bids. All of it is pure: whoever plays a community brings the ledger, the meters and the
clock (`ledgernode community run`). `scenarios/` holds the set-ups of the sources.
"""
