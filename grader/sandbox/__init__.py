"""Run a submission beside its agencies where it can harm nobody."""
