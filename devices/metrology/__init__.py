"""Measuring: from codes of a 12-bit converter to energy registers.

What is on the wire, and the parts that look at it (a simulation, with floating point and seeded noise):

    waveform     voltages and currents as sums of tones, with their true values
    sensors      what a sensor and a converter make of a waveform

What the meter does (pure functions, no clock, no files):

    measuring    one window of codes -> what was measured, in codes
    calibration  what a specimen's codes mean, found on a bench
    unit         codes of all phases -> volts, amperes, watts, registers, reports
    registers    energy as integers that only grow

`accuracy` holds one against the other.
"""
