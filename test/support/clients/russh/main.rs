//! login HOST PORT USER KNOWN_HOSTS COMMAND: logs in with what the agent at SSH_AUTH_SOCK holds, and runs the command.
use std::{error::Error, io::Write, process::exit, sync::Arc};

use russh::keys::PublicKeyOrCertificate;
use russh::keys::agent::{AgentIdentity, client::AgentClient};
use russh::keys::known_hosts::check_known_hosts_path;
use russh::{ChannelMsg, client};

struct Host {
    name: String,
    port: u16,
    known_hosts: String,
}

impl client::Handler for Host {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(check_known_hosts_path(&self.name, self.port, key, &self.known_hosts)?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, port, user, known_hosts, command] = arguments.try_into().map_err(|_| "five arguments")?;
    let host = Host { name: name.clone(), port: port.parse()?, known_hosts };
    let mut session = client::connect(Arc::default(), (name, host.port), host).await?;
    let mut agent = AgentClient::connect_env().await?;
    let mut accepted = false;
    for identity in agent.request_identities().await? {
        let answer = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                session.authenticate_publickey_with(&user, key, None, &mut agent).await?
            }
            AgentIdentity::Certificate { certificate, .. } => {
                session.authenticate_certificate_with(&user, certificate, None, &mut agent).await?
            }
        };
        accepted = answer.success();
        if accepted {
            break;
        }
    }
    if !accepted {
        return Err("no identity of the agent was accepted".into());
    }
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, command).await?;
    let mut status = 255;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => std::io::stdout().write_all(&data)?,
            ChannelMsg::ExitStatus { exit_status } => status = exit_status,
            _ => {}
        }
    }
    exit(status as i32)
}
