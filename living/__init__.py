"""Communities that live: ledger, gateway and devices put together on one machine, and time that goes on.

    people      who signs, and what is asked of the ledger      place       names on the ledger, who stands behind them
    folder      what was founded here, where its play ended     founding    the network, its contracts, everybody in it
    carrier     the gateway as a process                        radio       the village's broker, and who listens
    line        a device's stream to the gateway                meters      what hangs on it
    homes       houses with their meters and wallets            customers   what people do on the ledger
    flowing     energy in the streets                           deliveries  what is to flow of trades
    happenings  what the scenario lets happen                   vending     who mints what the ledger has reserved
    life        one step, and what follows from it              pacing      step after step
    watching    what the ledger says has happened               figures     the same, counted
    play        from founding to the last settled quarter       report      what it came to
    visitors    who enters the console in a browser
    measuring   what it took of the machine                     units       and the same in words

Everything goes through the SDK and the gateway, as it would from other machines. What is shown was read from the ledger
or from a device. Commands show it (`ledgernode.cli`); nothing else imports this package.
"""
