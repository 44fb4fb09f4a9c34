"""Finding or starting the servers that the demo and the tests run on.

No production code imports it but for the `embedded:DIR` form of a DSN.
"""
