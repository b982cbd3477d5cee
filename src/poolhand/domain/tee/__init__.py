"""Trusted execution environments: what is demanded, proved, told and signed in confidential tasks.

An enclave proves what runs in it by a quote: its measurement and 64 bytes of its own choice
(report data), signed by its processor. Who verifies it says in a policy what is enough.
"""
