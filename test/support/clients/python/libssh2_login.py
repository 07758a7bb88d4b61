"""libssh2_login.py HOST PORT USER KNOWN_HOSTS COMMAND: logs in with what the agent at SSH_AUTH_SOCK holds, and runs the command."""
import socket
import sys

from ssh2.knownhost import LIBSSH2_KNOWNHOST_KEYENC_RAW, LIBSSH2_KNOWNHOST_TYPE_PLAIN
from ssh2.session import Session

host, port, user, known_hosts, command = sys.argv[1:]
session = Session()
session.handshake(socket.create_connection((host, int(port)), timeout=10))
known = session.knownhost_init()
known.readfile(known_hosts)
# Raises where the key is another one or none is known.
kind = LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW
known.checkp(host.encode(), int(port), session.hostkey()[0], kind)
session.agent_auth(user)
channel = session.open_session()
channel.execute(command)
size = 1
while size > 0:
    size, data = channel.read()
    sys.stdout.write(data.decode())
channel.close()
channel.wait_closed()
sys.exit(channel.get_exit_status())
