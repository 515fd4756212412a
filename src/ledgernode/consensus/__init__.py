"""Agreement on an order, as pure cores: no I/O, no clock, no randomness. The driver is `ledgernode.node`."""
