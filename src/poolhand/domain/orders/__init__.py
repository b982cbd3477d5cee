"""The four orders: facts (``model``), hashes (``eip712``), who can match whom (``matching``)."""
