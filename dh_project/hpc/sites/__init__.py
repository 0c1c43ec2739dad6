"""Sites: what is known of a supercomputer, as data, and the job scripts that are rendered from it."""
