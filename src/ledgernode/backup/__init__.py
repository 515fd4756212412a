"""A backup: the chain itself and certified states of it, as files that hold by themselves.

    backup.json            what belongs to it (`folder`); written last, in one rename: what it does not name is nothing
    blocks-FIRST-LAST      a segment of the chain (`segment`): blocks with receipts and certificates, never changed
    state-HEIGHT/          a snapshot (`store.snapshot`), from which a restore can begin

Rules it keeps:

* Nothing in it is believed. Every block is certified by a validator set that the genesis file leads to, every state
  is that of a certified block: `checking` needs the folder and the genesis file.
* A block is checked before it is written (`following`), so that a damaged node is noticed while the backup is good; and
  a backup only grows. One of another ledger, or of another history, is left as it is.
* Only what is new is written: whole segments are kept, the last one, if it is not full, is written again under its new
  name before the old one goes.
* No key and no promise of an engine is in it. Keys are kept by their owner's usual means for secrets. A validator that
  was restored has forgotten what it promised, and PBFT keeps it silent until that does no harm.
"""
