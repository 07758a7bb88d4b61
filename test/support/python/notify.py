"""A service manager's ear: a datagram socket at argv[1] whose messages are printed, one a line, until it is killed."""
import socket
import sys

ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind("\0" + sys.argv[1][1:] if sys.argv[1].startswith("@") else sys.argv[1])
print("listening", flush=True)
while True:
    print(ear.recv(4096).decode(), flush=True)
