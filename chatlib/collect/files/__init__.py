"""Chat files of every program, recognised by their content, as rows."""
