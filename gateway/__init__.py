"""The gateway: carries what devices sign to the ledger, and what the ledger commands to devices.

It is trusted with delivery, never with content. What a device was told is safe is on disk, and reaches the ledger once.
"""
