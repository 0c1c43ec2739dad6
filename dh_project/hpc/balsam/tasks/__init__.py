"""What ``deephyper tasks`` and ``deephyper sites`` show and do."""
