"""Practical Byzantine fault tolerance (Castro and Liskov, 1999), with signed messages.

From the ground up: `messages` says what is said and signed, `slot` what is known of one sequence,
`view_change` how a new view follows from what was prepared, `journal` what the disk remembers. Around one
`seat` (who we are, where we stand) sit `ordering` within a view, `changing` between two, `patience` with a
leader, `recalling` what we said before a start, and `helping` who has fallen behind. `core` is the door.
"""
