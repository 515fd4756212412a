"""Looking over a node or a gateway for its operator: what is wrong, or soon will be, what it means and what to do.

    facts     what is seen: files, disk, database, the others' answers    (`node_facts`; a gateway's in
    `gateway.doctor`) rules     findings of facts: pure, one function for each thing that is looked at finding   what is
    said of one of them

It only reads, and it may be run beside a process that is at work.
"""
