"""How Alembic runs here: always inside a transaction that the caller opened (``grader.records.schema``)."""

from alembic import context

from grader.records.columns import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
