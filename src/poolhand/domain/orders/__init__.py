"""The four orders: their facts (``model``), hashes (``eip712``), and who can match whom (``matching``)."""
