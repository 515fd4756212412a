"""What a utility may learn from readings, beside the gateway and never on the ledger: nothing here is a fact.

    forecast    load and generation of the next day, from the days before
    baselines   what anybody would say without thinking: the yardsticks of the forecast
    scoring     both on months that were held back
    anomalies   meters that behave unlike themselves and their neighbours: stuck, bypassed, spiking, a phase lost

Pure functions over arrays, numpy alone; the same numbers give the same answer. Rows are days, columns the intervals of
a day, energies in Wh. What is not known is NaN, and what cannot be said is NaN.
"""
