"""Crystals: where structures and labels come from, and how they are split."""
