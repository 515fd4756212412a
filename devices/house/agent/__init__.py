"""A home's energy agent: five modules around one pure core.

    collect    the last value of everything that is heard
    log        what was, within a bound
    control    battery, car, machines and plugs
    alarm      voltage, load, silence, a strategy astray
    response   demand response: called, opted out of, measured against a baseline that was stated before

`core` joins them: an event in, `Effects` out. It trades by a strategy (`devices.house.strategy`); orders leave as calls
of the market's contract (`devices.house.trading`), which whoever runs the agent signs and submits.
"""
