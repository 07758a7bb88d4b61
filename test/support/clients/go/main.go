// login HOST PORT USER KNOWN_HOSTS COMMAND: logs in with what the agent at SSH_AUTH_SOCK holds, and runs the command.
package main

import (
	"log"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	address, user, hosts, command := net.JoinHostPort(os.Args[1], os.Args[2]), os.Args[3], os.Args[4], os.Args[5]
	keys := agent.NewClient(must(net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))))
	client := must(ssh.Dial("tcp", address, &ssh.ClientConfig{
		User:            user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeysCallback(keys.Signers)},
		HostKeyCallback: must(knownhosts.New(hosts)),
		Timeout:         10 * time.Second,
	}))
	os.Stdout.Write(must(must(client.NewSession()).Output(command)))
}
