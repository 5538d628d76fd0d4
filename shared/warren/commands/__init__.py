"""What `warren` can be told to do: a module for each command, with `main(arguments)`.

Exit codes: 0, 1 if the request failed or the response did, 2 if the command cannot be understood, 130 for Ctrl-C.
"""
