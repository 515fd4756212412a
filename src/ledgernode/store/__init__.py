"""What a node keeps: an ordered key-value interface, the chain and its state on it, and snapshots."""
