"""Kubernetes as a ``ContainerRuntime``: Jobs of one pod, on a folder that all nodes see.

``manifest`` says what a job is, ``proxy`` opens the API, ``api`` makes its few calls, ``pods``
reads what it tells, ``attempts`` prepares and creates, ``run_watch`` sees a run to its end, and
``engine`` joins all. Images are looked through as for a Slurm cluster; nodes pull them as well.
"""
