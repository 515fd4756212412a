"""Ordering by an existing distributed log, such as NATS JetStream, without I/O.

`messages` has what stands in the log and what is said with the shell that reads it, `line` holds what was read and is
not delivered yet, `core` is the state machine. Crash-fault tolerant: the log is trusted with order, and with nothing
else (decision 29).
"""
