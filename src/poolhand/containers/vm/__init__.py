"""A virtual machine for each app: QEMU within a container of the engine, which keeps it.

``programs``, ``kernel``, ``initrd`` and ``tools`` make the image that this container has, ``roots``
makes a disk of an app's image, ``plan`` says what the machine is told, ``launcher`` runs in the
container and ``guest`` in the machine; they talk by ``channel``. ``machines`` joins them.
"""
