"""Trusted execution environments: what is demanded, told and signed in confidential tasks."""
