"""A Slurm cluster as a ``ContainerRuntime``: jobs that run runc on images of a shared folder.

``images`` and ``layers`` bring images, ``bundle`` says what runc is told, ``runner`` runs on the
node, ``client`` asks the controller, ``jobs`` submits, ``watch`` sees a run to its end,
``run_folder`` keeps what outlives this process, and ``engine`` joins them.
"""
