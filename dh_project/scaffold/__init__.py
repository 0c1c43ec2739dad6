"""Making projects and problems from templates."""
