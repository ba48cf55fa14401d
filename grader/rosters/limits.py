"""Every limit of a roster in one place. Sizes are bytes, lengths are characters, times are seconds."""

from typing import Final

MIB: Final = 1024 * 1024

# What a file may be: the largest round anybody has planned has a few hundred people.
MAX_FILE_BYTES: Final = 5 * MIB
MAX_ROWS: Final = 20_000
"""People in one file."""
MAX_COLUMNS: Final = 256
HEADER_ROWS: Final = 20
"""The header is looked for in so many rows from the top: printed lists begin with the project's name and dates."""
MAX_TABLE_ROWS: Final = MAX_ROWS + HEADER_ROWS + 1
"""Rows with content that are read at all: one more than there can be, so that too many are seen and never cut off."""

# What the cells of one person may hold: the widths of the records.
MAX_CODE: Final = 64
MAX_NAME: Final = 255
MAX_EMAIL: Final = 254
MAX_NOTE: Final = 1_000
MAX_SHOWN: Final = 80
"""Of a cell that an error quotes."""

# What the process that opens a workbook may use. A file of MAX_FILE_BYTES with MAX_ROWS rows needs about a second.
READER_MEMORY_BYTES: Final = 512 * MIB
READER_CPU_SECONDS: Final = 10
READER_WALL_SECONDS: Final = 30.0
MAX_WORKBOOK_TEXT: Final = 16 * MIB
"""Characters of one sheet: a shared text counts as often as it is used."""
