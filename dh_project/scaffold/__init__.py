"""Beginning something new: a project, and a problem in it, from templates."""
