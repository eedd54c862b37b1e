"""Run the notebooks as a chain and turn the run into a report: pages, a first page, one file to mail."""
