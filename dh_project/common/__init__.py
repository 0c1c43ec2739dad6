"""What every part uses: errors, files, locks, signals, key=value words."""
