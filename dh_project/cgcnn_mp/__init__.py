"""The problem package: CGCNN (Xie and Grossman 2018) on Materials Project crystals, tuned."""
