"""A fleet: many simulated meters, each with a key, an identity and readings of its own, as a utility has them.

    plan.py       who they are, and when each of them reports (pure)
    houses.py     what their registers show, from a seed (pure)
    measured.py   the same from measured files
    counts.py     what became of readings, and how long it took (pure)
    reporting.py  what is due, on its way, safe (pure): readings in, messages out
    meters.py     keys and signatures
    line.py       a concentrator's stream to whichever gateway answers
    worker.py     a process that has some of the meters
    crew.py       all the processes of a fleet (processes.py: any process of ours)
    directory.py  what a fleet keeps: its plan, its secret, how far it has come
    enrolling.py  making meters known to the ledger, many at a time (certifying.py: their certificates)
    counting.py   what stands on the ledger, by meter and number
    tap.py        a line on which every byte is counted

A reading is a function of its meter and its number, and signing is deterministic: what is sent again, over another
gateway or by a fleet that was killed, is the same transaction, and the ledger takes it once. So a fleet keeps no
readings; it keeps how far all of its meters have come.
"""
