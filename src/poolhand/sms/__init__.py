"""The secret management service (SMS): keeps secrets, and releases them to proven enclaves."""
