"""The command line: one file per verb. Data goes to standard output, messages to standard error.

Exit codes: 0 all is well, 1 there are findings, 2 the command was written wrongly, 3 something could not be reached.
"""
