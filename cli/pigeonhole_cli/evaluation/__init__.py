"""`pigeonhole eval`: labelled data through the classifier that the functions run, and a report of how well it sorts."""
