"""Contracts that users may hold their own parts to."""
