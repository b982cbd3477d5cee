"""Functions of a Python program, computed on the network: what ``client.map`` and its kin do.

A function and its calls travel by cloudpickle into an app (``devnet/function_app``) whose tasks
each compute one chunk of calls; what a task wrote is unpickled when the chain proves it, and not
before.
"""
