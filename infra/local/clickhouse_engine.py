"""A ClickHouse server in this process: the engine's own shared library with its own HTTP and native interfaces.

The library is ClickHouse itself, built as a library by the chdb project, and its command line opens the two
interfaces. The main thread stays inside the endless last query; the server lives as long as that query does.
It is started by clickhouse.py, as a process of its own. Usage:

    clickhouse_engine.py LIBRARY CONFIG_FILE DATA_DIRECTORY HTTP_PORT TCP_PORT [HOST]
"""

import ctypes
import sys

STATEMENTS = """
SYSTEM START LISTEN HTTP;
SYSTEM START LISTEN TCP;
SELECT sleepEachRow(1) FROM numbers(1000000000) SETTINGS max_block_size = 1 FORMAT Null
"""


def main(library, config, directory, http_port, tcp_port, host="127.0.0.1"):
    arguments = [
        "clickhouse",
        f"--config-file={config}",
        f"--path={directory}",
        f"--http_port={http_port}",
        f"--tcp_port={tcp_port}",
        f"--listen_host={host}",
        "--logger.console=1",
        # `--logger.level` has no effect here, and hundreds of megabytes of traces would remain of each run of the tests.
        "--log-level=warning",
        f"--query={STATEMENTS.strip()}",
    ]
    vector = (ctypes.c_char_p * (len(arguments) + 1))(*(text.encode() for text in arguments), None)
    run = ctypes.CDLL(library).chdb_query_cmdline
    run.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
    run.restype = ctypes.c_void_p
    run(len(arguments), vector)
    sys.exit("The ClickHouse engine ended by itself.")


if __name__ == "__main__":
    main(*sys.argv[1:])
