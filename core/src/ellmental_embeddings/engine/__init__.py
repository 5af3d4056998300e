"""The engine: texts -> plan -> pace -> backend -> check -> place, with retries.

It knows no plugin and no command line, and reads no environment variable; what it needs comes
in through ``Policy``.
"""
