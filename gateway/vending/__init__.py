"""Vending: a payment in, twenty digits out, sold on the ledger and never minted twice.

keystore.py   vending keys in a file, sealed with a passphrase
module.py     who holds the keys: the seam for a hardware module, and the key store behind it
remote.py     a module in a process of its own, behind a socket
minting.py    the digits of a credit (pure but for the module)
payments.py   payments, purchases and tokens, and what becomes of them (pure)
partners.py   who sells: points of sale, banks, mobile money
store.py      purchases and tokens on disk
ledger.py     what is asked of the ledger and said on it
seller.py     the steps of a purchase, over any crash
minter.py     credits that others have reserved, and tokens on their way
webhook.py    the HTTP face
process.py    all of it as a process
"""
