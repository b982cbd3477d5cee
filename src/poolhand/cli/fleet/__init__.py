"""``poolhand fleet``: many workers of one pool, a wallet each, seen and told as one.

``folder`` says what is kept, ``up`` makes a fleet (``wallets``, ``funding``, ``files``), ``launch``
(``supervisor``, ``starting``) keeps it running, ``rows`` and ``page`` show it, ``orders`` tell it,
and ``collecting`` brings its rewards back.
"""
