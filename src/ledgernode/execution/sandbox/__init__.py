"""One contract call: checked at install, rewritten to count what it does, bounded."""
