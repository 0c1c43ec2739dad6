"""Figures of a training: learning curve, parity plot, ROC curve, and residuals by element."""
