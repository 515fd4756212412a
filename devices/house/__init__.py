"""What stands in a house and who minds it: machines, an agent of five modules, a controller of measured transfers.

Machines and weather (energy as integers, power as nature has it):

    weather      light, wind, air and water of a place, hour by hour, from a seed
    wind, hydro  what a turbine gives
    vehicle      an electric car: when it is there, what it must have, what it lends
    appliances   refrigerator, boiler, washing machine, plug: what they draw, and when they may wait
    occupants    who is at home, and what they do there
    house        all of it behind one meter, on one phase, three phases or a bus of 12 V

Who decides (pure: values in, values out):

    strategy     what a house would buy or sell, and at which price
    trading      those orders as calls of the market's contract
    agent        collect, log, control, alarm, demand response
    transfer     relays and registers of one delivery after the other (Algorithm 1 of the off-grid houses)
"""
