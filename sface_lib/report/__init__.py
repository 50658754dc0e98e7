"""The report: plan, reuse, notebook execution, provenance, and the HTML page; it knows no chapter by name."""
