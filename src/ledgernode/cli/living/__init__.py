"""A community that lives: what `community run` and `demo` put together from the ledger, a gateway and devices.

    people      who signs, and what is asked of the ledger        founding   the network, its contracts, everybody in it
    meters      meters at work, each on a stream of its own       vending    who mints what the ledger has reserved
    watching    what the ledger says has happened                 play       the loop: time, physics, meters, bids
    report      what it came to                                   screen     the same, while it happens

Everything goes through the SDK and the gateway, as it would from other machines. What is shown was read from the ledger
or from a device.
"""
