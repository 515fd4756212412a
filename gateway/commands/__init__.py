"""Commands: what the ledger wants devices to do, told to each until it has it, in turns on a shared bus.

    inbox.py      every command and how far it is (pure)
    follower.py   the ledger's events from a stored position
    dispatch.py   to the streams of devices that are here

A command reaches its device at least once, numbered; the device knows a number it has had. Done is what its signed
transaction says on the ledger, never what the gateway believes.
"""
