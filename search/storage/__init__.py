"""Where studies are: a journal file in the run directory, or a database that several drivers share."""
