"""References as the simulated vendor treats them: its asset libraries, uploads, and what it finds at addresses."""
