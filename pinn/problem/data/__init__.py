"""Numbers from files, and the functions that they are made into."""
