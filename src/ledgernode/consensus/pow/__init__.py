"""Order by proof of work among permissioned miners: the heaviest chain, delivered when it is deep enough.

`header` is what is hashed and signed, `retarget` keeps the interval, `tree` holds the branches, and
`core` ties them together. Safety is claimed for partitions shorter than the depth k; a longer one
ends in a halt, never in two histories.
"""
