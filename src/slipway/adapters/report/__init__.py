"""Release reports: one self-contained HTML page, and a summary in Markdown."""
