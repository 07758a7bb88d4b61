"""paramiko_login.py HOST PORT USER KNOWN_HOSTS COMMAND: logs in with what the agent at SSH_AUTH_SOCK holds, and runs the command."""
import sys

import paramiko

host, port, user, known_hosts, command = sys.argv[1:]
client = paramiko.SSHClient()
client.load_host_keys(known_hosts)
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect(host, int(port), user, look_for_keys=False, timeout=10)
_, output, _ = client.exec_command(command)
sys.stdout.write(output.read().decode())
status = output.channel.recv_exit_status()
client.close()
sys.exit(status)
