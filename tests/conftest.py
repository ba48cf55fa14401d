"""Fixture modules of all tests."""

pytest_plugins = [
    "tests.fixtures.engine",
    "tests.fixtures.builds",
    "tests.fixtures.tables",
    "tests.fixtures.tiers",
    "tests.fixtures.postgresql",
    "tests.fixtures.records",
    "tests.fixtures.portal",
    "tests.fixtures.portal_kpi",
    "tests.fixtures.browser",
]
