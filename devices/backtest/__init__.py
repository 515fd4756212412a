"""What a market would have done: measured houses, their strategies, and every mechanism that the market contract has.

    plan        who takes part, with which panels, battery and strategy; prices outside of the market
    mechanisms  orders in, deals out: the very functions that the contracts run, imported and not copied
    play        one delivery after another under one mechanism; what each house knows, orders, stores, is metered
    money       who pays whom for what: exact, and conserved
    yardsticks  the same houses without a market: grid alone, feed-in, net metering
    findings    a year as figures; what is not defined is None, never zero
    study       all of it, for as many mechanisms as asked
    plots, page what people look at: figures by matplotlib, and one page without links

The same `play` goes through a year in seconds, or follows a clock (`--pace`); `live` asks the same strategies on a
running ledger. Everything is decided by the plan and its seed.

Money is an integer: 10^-9 of the currency's unit (price in micro per kWh times Wh), rounded where it is shown.
"""
