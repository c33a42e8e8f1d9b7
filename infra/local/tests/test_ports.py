import os
import socket
import threading
import unittest

import ports
from console import CloudError


def listen(host="127.0.0.1"):
    server = socket.socket()
    # As both engines do, so that a connection which is still being closed does not keep the port.
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, 0))
    server.listen()
    return server, server.getsockname()[1]


class Ports(unittest.TestCase):
    def require(self, port):
        ports.require_free(port, "the AWS emulator", "LOCAL_AWS_PORT", "LocalStack")

    def test_a_taken_port_names_port_purpose_holder_and_variable(self):
        server, port = listen()
        with server, self.assertRaises(CloudError) as raised:
            self.require(port)
        message = str(raised.exception)
        for part in (f"Port {port}", "the AWS emulator", f"process {os.getpid()}", "LOCAL_AWS_PORT="):
            self.assertIn(part, message)

    def test_a_program_on_all_addresses_counts_as_well(self):
        server, port = listen("0.0.0.0")
        with server, self.assertRaisesRegex(CloudError, f"Port {port}"):
            self.require(port)

    def test_without_a_known_holder_the_usual_ones_are_named(self):
        server, port = listen()
        holder, ports._holder = ports._holder, lambda _: None
        self.addCleanup(setattr, ports, "_holder", holder)
        ending, ports.ENDING_SECONDS = ports.ENDING_SECONDS, 0.2
        self.addCleanup(setattr, ports, "ENDING_SECONDS", ending)
        with server, self.assertRaisesRegex(CloudError, "It could be LocalStack"):
            self.require(port)

    def test_a_free_port_passes_also_right_after_its_use(self):
        server, port = listen()
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        for end in (accepted, client, server):
            end.close()
        self.require(port)

    def test_a_port_whose_program_is_ending_is_waited_for(self):
        server, port = listen()
        holder, ports._holder = ports._holder, lambda _: None
        self.addCleanup(setattr, ports, "_holder", holder)
        ending = threading.Timer(0.5, server.close)
        ending.start()
        self.addCleanup(ending.join)
        self.require(port)

    def test_the_suggested_port_is_a_port(self):
        self.assertEqual((ports._suggestion(4566), ports._suggestion(60000)), (14566, 50000))
