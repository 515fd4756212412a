"""Measuring: a network of its own in a temporary folder, loaded by clients in processes of their own."""
