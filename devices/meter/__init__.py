"""A prepaid meter as a pure state machine: events in, one `Effects` out whose fields say their order.

    event ─▶ Meter.step ─▶ persist ─▶ send, answer ─▶ relays, display, alarms

It does no I/O, reads no clock and draws no random numbers. Whatever is shown, switched or signed is on the disk
first, so a crash at any point loses nothing that anybody has seen: a step whose records were not written has not
happened, and one whose records were is finished by the next `Started`.

    events      what happens to a meter, and what it wants done
    settings    what it is built and set to; every bound
    state       what it knows: a frozen value in parts
    records     the parts as records of a disk, and what a step has changed of them
    core        one step; who gets which event
    turn        a step under way

    energy      registers, balance, readings in a ring        supply     when the load has power
    tokens      twenty digits, by keypad or wire              outbox     signed transactions, sent until receipted
    shares      units to other meters                         commands   each once; `told`: from the ledger's events
    believing   what a gateway must show
    customer_key  the second key, under a PIN                 keypad     what the keys do; `screens`: what is shown
    clock       how far a gateway's time is believed          signing    which bytes a key signs

Two keys: the meter's signs readings, balances and receipts, and lies in hardware outside of this package (`signing`
says which bytes it signs). The customer's signs what the customer wants, in the clear only while a PIN is checked.
"""
