"""The outbox: what a device was told is safe, is safe.

    entry.py    what is kept, and the bytes it is kept as
    room.py     whether there is room: quotas and rates (pure)
    turns.py    whose turn it is, and when a batch is worth sending (pure)
    verdict.py  what an answer of the ledger means for an entry (pure)
    store.py    LMDB: one synced transaction for all that was handed in meanwhile
    outbox.py   the shell around them
    drain.py    from the outbox to the ledger

An entry is acknowledged after fsync, leaves when the ledger has given its outcome, and is sent again after any crash
in between: the ledger takes a number of a device once, so nothing is lost and nothing is doubled.
"""
