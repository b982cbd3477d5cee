"""Clients: what the command line and programs in Python know of chain, wallet and services.

>>> from poolhand import Client
>>> deal = Client(budget="10 RLC").run("devnet/poolhand/word-statistics:1.0", trust=10)
>>> print(deal.result().files)
"""
