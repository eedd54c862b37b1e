"""Channel page, chat files, the simulated sample channel: everything into the chat database."""
