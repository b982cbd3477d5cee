"""Buying computation: image to app, wish to deal, deal to result."""
