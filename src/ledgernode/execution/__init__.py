"""A batch in, a block out: contracts run in a sandbox, on a state that is a pure function of the chain."""
