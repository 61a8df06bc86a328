//! `lakewright env`: what other AWS clients need to reach the account on this machine.

use anyhow::{Result, bail};

use crate::app::{Global, Outcome, RunFile, print, secret};

/// `lakewright env`. Where there is nothing to print a shell that evaluates standard output gets `false`: what evaluates nothing
/// succeeds, and a command behind it would go to the AWS account of whoever typed it.
pub fn run(global: &Global) -> Result<Outcome> {
    match exports(global) {
        Ok(line) => print(&line),
        Err(error) => {
            print("false\n")?;
            Err(error)
        }
    }
}

/// The line that a shell evaluates.
fn exports(global: &Global) -> Result<String> {
    let run = RunFile::read(&global.data)?;
    if !run.local_account {
        bail!("what runs here uses {} with credentials of your own, and no account on this machine", run.account);
    }
    let secret = secret(&global.data)?;
    let region = global.region.as_deref().unwrap_or(&run.region);
    // One line: a shell that evaluates it makes spaces of line ends.
    Ok(format!(
        "export AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_REGION={region} \
         AWS_DEFAULT_REGION={region}; unset AWS_SESSION_TOKEN AWS_PROFILE\n",
        run.account,
        run.number,
        secret.exposed()
    ))
}
