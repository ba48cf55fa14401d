"""Who may do what: one table of rules, where each thing belongs, and the door that every route has."""
