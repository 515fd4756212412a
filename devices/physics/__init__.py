"""What the meters stand in: batteries, panels, lines and a transformer, as pure functions and small state machines.

Energy is an integer (nWh, as in the registers), so that every balance closes exactly: what goes into a thing is what
comes out, what it keeps and what it loses. Power, voltage and temperature are floating point, as nature's are.
"""
