"""20-digit prepayment tokens (IEC 62055-41): bytes in, bytes out, no clock, no randomness, no files.

    pan         the meter's number, its check digits
    keys        vending key + what the meter is set to -> the meter's own key (DKGA04)
    tid         when: a token's identifier is a minute since a base date
    amounts     how much: what sixteen bits can carry
    token       what a token says, and minting and reading one
    block       66 bits: check, cipher, class bits in the clear, 20 digits
    cipher      the seam for ciphers; misty1 is the one that is here (EA11)
    key_change  four tokens that give a meter another key
    memory      which identifiers a meter has used
    decoder     a meter's whole answer to a token that is entered

Vending uses it from above, a meter from below the keypad; neither needs a ledger.
"""
