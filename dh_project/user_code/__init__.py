"""Finding, importing and calling a user's problem, function, class, Lightning module or script."""
