"""Fixture modules of all tests."""

pytest_plugins = [
    "tests.fixtures.engine",
    "tests.fixtures.builds",
    "tests.fixtures.tables",
    "tests.fixtures.tiers",
    "tests.fixtures.postgresql",
    "tests.fixtures.records",
    "tests.fixtures.gits",
    "tests.fixtures.portal",
    "tests.fixtures.portal_kpi",
    "tests.fixtures.logged",
    "tests.fixtures.states",
    "tests.fixtures.hostile",
    "tests.fixtures.browser",
    "tests.fixtures.hostile_portal",
]
