"""The demonstration: real conferences as a dirty legacy database, put in order before one's eyes."""
