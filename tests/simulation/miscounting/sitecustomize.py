"""A node whose interpreter counts wrongly: in its contracts a list has one element more than it has.

The interpreter loads this before anything else where a test has put this folder on the node's path.
"""

from ledgernode.execution.sandbox import guards

guards.NAMESPACE["len"] = lambda value: len(value) + 1
