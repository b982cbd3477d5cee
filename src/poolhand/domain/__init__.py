"""The pure core: facts and decisions of the iExec protocol, without clock, disk, socket or thread."""
