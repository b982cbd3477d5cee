"""A Slurm cluster as a ``ContainerRuntime``: images unpacked on a shared folder, jobs that run runc.

``images`` and ``layers`` bring images, ``bundle`` says what runc is told, ``runner`` runs on the
node, ``client`` asks the controller, ``run_folder`` keeps what outlives this process, and
``engine`` joins them.
"""
