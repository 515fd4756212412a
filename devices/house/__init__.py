"""What stands in a house and who minds it: machines, an agent of five modules, a controller of measured transfers.

Machines and weather (energy as integers, power as nature has it):

    weather     light, wind, air and water of a place, step by step, from a seed
    turbines    what wind and water give
    vehicle     an electric car: when it is there, what it must have, what it lends
    appliances  what keeps a temperature, what may wait, what hangs on a plug; `plug` says it as real ones do
    occupants   who is at home, and what they do there; `days` gives both, moment by moment
    standing    what a house is, what is wanted of it, how it stands
    house       all of it behind one meter, on one phase, three phases or a bus of 12 V
    catalogue   things as they are sold, and houses made of them

Who decides (pure: values in, values out):

    strategy     what a house would buy or sell, and at which price
    trading      those orders as calls of the market's contract
    agent        collect, log, control, alarm, demand response
    transfer     relays and registers of one delivery after the other (Algorithm 1 of the off-grid houses)
    tie          the same from a house's side: it tries again, and opens when nobody is heard
"""
