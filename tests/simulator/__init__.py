"""The stand-in for the vendor, seen from outside: over real HTTP, with a plain client."""
