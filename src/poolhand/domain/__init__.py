"""The pure core: facts and decisions of the iExec protocol; no clock, disk, socket or thread."""
