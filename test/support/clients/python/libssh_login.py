"""libssh_login.py HOST PORT USER KNOWN_HOSTS COMMAND: logs in with what the agent at SSH_AUTH_SOCK holds, and runs the command."""
import sys

from pylibsshext.session import Session

host, port, user, known_hosts, command = sys.argv[1:]
# No configuration and no keys of the caller's home.
session = Session(ssh_dir="/nonexistent")
session.connect(host=host, port=int(port), user=user, knownhosts=known_hosts, timeout=10)
result = session.new_channel().exec_command(command)
sys.stdout.write(result.stdout.decode())
session.close()
sys.exit(result.returncode)
