"""Practical Byzantine fault tolerance (Castro and Liskov, 1999), with signed messages.

`messages` says what is said and signed, `slot` what is known of one sequence, `view_change` how a new
view follows from what was prepared, and `core` is the state machine that ties them together.
"""
