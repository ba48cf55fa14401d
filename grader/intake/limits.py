"""Every limit of intake in one place. Sizes are bytes, times are seconds."""

MIB = 1024 * 1024

# What a submission may be. Each of these counts what was really read or produced, never what a header declares.
MAX_ARCHIVE_BYTES = 50 * MIB
MAX_FILES = 5_000
MAX_DIRECTORIES = 5_000
MAX_UNPACKED_BYTES = 200 * MIB
MAX_PATH_BYTES = 1_000
MAX_COMPONENT_BYTES = 255
MAX_DEPTH = 40
MAX_ENTRIES = 50_000
"""All entries of the archive, with those that are dropped by rule: a zipped virtual environment has thousands."""

# What is read for detection and for the source scan.
MAX_SCANNED_BYTES = 8 * MIB
"""Of one file."""
MAX_SCANNED_TOTAL_BYTES = 32 * MIB
"""Of all files: the scan of dense text costs up to 0.3 CPU seconds a MiB, and the jail has JAIL_CPU_SECONDS."""
MAX_CONFIG_BYTES = 256 * 1024
MAX_SOURCE_BYTES = 256 * 1024
MAX_KEPT_SOURCES = 300
MAX_KEPT_BYTES = 4 * MIB
"""Of sources in unusual places together: parsing dense source costs up to 2 CPU seconds a MiB."""
MAX_REQUIREMENTS = 1_000
MAX_LOCK_BYTES = 2 * MIB
"""Of a lock file: a large project with all its tools has a quarter of this."""
MAX_LOCKED_PACKAGES = 2_000
MAX_JSON_DEPTH = 64
MAX_LEAKS = 100
MAX_LEAKS_PER_FILE = 20
MAX_DROPPED_SHOWN = 1_000

# What the jail may use.
JAIL_MEMORY_BYTES = 512 * MIB
JAIL_CPU_SECONDS = 30
JAIL_WALL_SECONDS = 60.0
JAIL_UID = 65534

# What the parent takes from the jail: headers and padding of MAX_FILES + MAX_DIRECTORIES members come on top.
MAX_TAR_BYTES = MAX_UNPACKED_BYTES + 32 * MIB
MAX_RESULT_BYTES = 8 * MIB
MAX_STDERR_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
