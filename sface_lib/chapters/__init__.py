"""The chapters of the report, a notebook each, and what they share."""
