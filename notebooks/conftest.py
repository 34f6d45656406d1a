"""nbval hears every message of a notebook, however long a cell takes.

It reads a cell's messages when the cell has ended. Progress bars send some thirty a second, ZeroMQ
keeps a thousand for a reader who is busy and drops the rest, and with them the one that says that
the cell has ended; nbval then gives up. So its queue has no bound here.

And it leaves out drawings as it leaves out pictures: lines drawn through numbers that differ in
their last digits between processors differ too.
"""

import zmq
from jupyter_client.connect import ConnectionFileMixin
from nbval.plugin import IPyNbFile

# neither nbval nor jupyter_client has an option for it
connected_socket = ConnectionFileMixin._create_connected_socket


def with_unbounded_queue(self, channel, identity=None):
    """The socket of a channel, made with room for any number of messages."""
    self.context.setsockopt(zmq.RCVHWM, 0)  # of the sockets that are made from now on
    return connected_socket(self, channel, identity)


ConnectionFileMixin._create_connected_socket = with_unbounded_queue

compared_notebook = IPyNbFile.__init__


def without_drawings(self, *args, **options):
    """A notebook whose outputs are compared, but for what they draw."""
    compared_notebook(self, *args, **options)
    self.skip_compare += ("image/svg+xml",)


IPyNbFile.__init__ = without_drawings
