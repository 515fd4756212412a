"""The driver around the pure cores: it persists, sends, applies, and tells who waits."""
