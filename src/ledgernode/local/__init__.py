"""Networks of real node processes on this machine: for demonstrations, tests and measuring."""
