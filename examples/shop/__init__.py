"""A small ticket shop on oeventdb: Flask pages around the real blueprint, and no rule of its own."""
