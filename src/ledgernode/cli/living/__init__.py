"""How a living community (`living`) is shown and ended.

running   played to its report, with signals and the audit     tables   the report     screen   while it lives
"""
