"""What a worker's virtual machine does besides Poolhand: its two icons, and its seed disk."""
