import com.jcraft.jsch.*;

/** Login HOST PORT USER KNOWN_HOSTS COMMAND: logs in with what the agent at SSH_AUTH_SOCK holds, and runs the command. */
public class Login {
  public static void main(String[] args) throws Exception {
    JSch jsch = new JSch();
    jsch.setIdentityRepository(new AgentIdentityRepository(new SSHAgentConnector()));
    jsch.setKnownHosts(args[3]);
    Session session = jsch.getSession(args[2], args[0], Integer.parseInt(args[1]));
    session.setConfig("StrictHostKeyChecking", "yes");
    session.setConfig("PreferredAuthentications", "publickey");
    session.connect(10_000);
    ChannelExec channel = (ChannelExec) session.openChannel("exec");
    channel.setCommand(args[4]);
    channel.setInputStream(null);
    var output = channel.getInputStream();
    channel.connect(10_000);
    output.transferTo(System.out);
    System.out.flush();
    while (!channel.isClosed()) Thread.sleep(10);
    session.disconnect();
    System.exit(channel.getExitStatus());
  }
}
