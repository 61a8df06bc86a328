//! Credentials as the environment and AWS's configuration files give them: each case is a process of its own, this program again, with
//! an environment and a home of its own and with the services that give credentials played by a server on this machine.

mod server;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use lakewright_aws::{Aws, Options, Role, ask, client};

use server::{Play, Server, serve};

/// What the child does: connects, asks KMS for a key, and prints who it was or why it was nobody.
#[tokio::test]
#[ignore = "a part of the other tests, which start it"]
#[expect(clippy::print_stderr, reason = "what it says is what the others look at")]
async fn child() {
    let mfa_code = std::env::var("TEST_CODE").is_ok().then_some(typed as fn(&str) -> std::io::Result<String>);
    let options = Options { profile: std::env::var("TEST_PROFILE").ok(), mfa_code, ..Options::default() };
    let connected = match (Aws::connect(options).await, std::env::var("TEST_ROLE")) {
        (Ok(aws), Ok(arn)) => {
            let external_id = std::env::var("TEST_EXTERNAL_ID").ok();
            aws.assuming(Role { arn, external_id, session: "lakewright-shop".to_owned() }).await
        }
        (connected, _) => connected,
    };
    let answer = match connected {
        Ok(aws) => ask(client!(aws, "kms", aws_sdk_kms).list_aliases().send()).await.map(drop),
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => eprintln!("[answered]"),
        Err(error) => eprintln!("[{error}]"),
    }
}

/// What somebody types who is asked for a code.
fn typed(_device: &str) -> std::io::Result<String> {
    std::env::var("TEST_CODE").map_err(std::io::Error::other)
}

struct World {
    home: tempfile::TempDir,
    server: Server,
}

const ALIASES: Play = Play::Answer(200, "", "{\"Aliases\":[]}");
const ASSUMED: Play = Play::Answer(
    200,
    "",
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser>\
     <AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser><Credentials>\
     <AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
     <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
);
/// A session that is over when it begins.
const ENDED: Play = Play::Answer(
    200,
    "",
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
     <AccessKeyId>ASIAENDED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
     <Expiration>2020-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
);
const DENIED: Play = Play::Answer(
    403,
    "",
    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error>\
     </ErrorResponse>",
);

impl World {
    async fn new(config: &str, plays: Vec<Play>) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(home.path().join(".aws/sso/cache")).expect("made");
        std::fs::write(home.path().join(".aws/config"), config).expect("written");
        Self { home, server: serve(plays).await }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// What the child said.
    async fn run(&self, environment: &[(&str, &str)]) -> String {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["child", "--exact", "--ignored", "--nocapture"]).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home.path()).env("AWS_REGION", "eu-north-1").env("PATH", "/usr/bin:/bin");
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ENDPOINT_URL", &self.server.address);
        command.envs(environment.iter().copied());
        let output: Output =
            tokio::task::spawn_blocking(move || command.output()).await.expect("run").expect("started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let answer = said.lines().find_map(|line| line.strip_prefix('[')?.strip_suffix(']')).map(str::to_owned);
        answer.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stdout)))
    }

    /// The access key that signed the last request.
    fn signer(&self) -> String {
        let seen = self.server.seen.lock();
        let last = seen.last().expect("a request");
        last.split("Credential=").nth(1).and_then(|text| text.split('/').next()).expect("a signature").to_owned()
    }
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_one_that_may_not_be_is_named() {
    let config = "[profile work]\nrole_arn = arn:aws:iam::1:role/r\nexternal_id = ours\nsource_profile = keys\n\
                  [profile keys]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = s\n";
    let world = World::new(config, vec![ASSUMED, ALIASES, DENIED]).await;
    assert_eq!(world.run(&[("AWS_PROFILE", "work")]).await, "answered");
    assert_eq!(world.signer(), "ASIAROLE");
    assert!(world.server.seen.lock()[0].contains("ExternalId=ours"));
    let said = world.run(&[("AWS_PROFILE", "work")]).await;
    assert!(said.contains("`work` can't assume arn:aws:iam::1:role/r") && said.contains("trust policy"), "{said}");
    assert!(said.contains("not authorized to perform: sts:AssumeRole"), "{said}");
}

#[tokio::test]
async fn a_connection_assumes_a_role_anew_before_its_session_ends() {
    let config = "[profile keys]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = s\n";
    let world = World::new(config, vec![ENDED, ASSUMED, ALIASES, DENIED]).await;
    let role = ("TEST_ROLE", "arn:aws:iam::210987654321:role/deployer");
    let id = ("TEST_EXTERNAL_ID", "ours");
    assert_eq!(world.run(&[("AWS_PROFILE", "keys"), role, id]).await, "answered");
    assert_eq!(world.signer(), "ASIAROLE");
    let seen = world.server.seen.lock().clone();
    assert_eq!(seen.len(), 3);
    for asked in &seen[..2] {
        for part in ["role%2Fdeployer", "RoleSessionName=lakewright-shop", "ExternalId=ours", "Credential=AKIAKEYS/"] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    }
    let said = world.run(&[("AWS_PROFILE", "keys"), role, id]).await;
    for part in [role.1, "AccessDenied", "the right sts:AssumeRole", "trust policy", "the external id `ours`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.matches("can't be assumed").count(), 1, "{said}");
}

#[tokio::test]
async fn a_profile_that_is_asked_for_comes_before_the_keys_of_the_environment() {
    let config = "[profile keys]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = s\n";
    let world = World::new(config, vec![ALIASES, ALIASES]).await;
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(world.run(&[keys[0], keys[1], ("TEST_PROFILE", "keys")]).await, "answered");
    assert_eq!(world.signer(), "AKIAKEYS");
    assert_eq!(world.run(&[keys[0], keys[1], ("AWS_PROFILE", "keys")]).await, "answered");
    assert_eq!(world.signer(), "AKIAENV");
}

#[tokio::test]
async fn a_session_of_identity_center_gives_a_role_and_an_expired_one_says_what_to_run() {
    let config = "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = admin\n\
                  [sso-session corp]\nsso_region = eu-north-1\nsso_start_url = https://corp.awsapps.com/start\n\
                  sso_registration_scopes = sso:account:access\n";
    let role = Play::Answer(
        200,
        "",
        r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s","sessionToken":"t","expiration":4102444800000}}"#,
    );
    let world = World::new(config, vec![role, ALIASES]).await;
    let token = |expires: &str| format!(r#"{{"accessToken":"portal","expiresAt":"{expires}","region":"eu-north-1"}}"#);
    let cached = world.path(".aws/sso/cache").join(sso_file("corp"));
    std::fs::write(&cached, token("2100-01-01T00:00:00Z")).expect("written");
    assert_eq!(world.run(&[("AWS_PROFILE", "sso")]).await, "answered");
    assert_eq!(world.signer(), "ASIASSO");
    assert!(world.server.seen.lock()[0].contains("x-amz-sso_bearer_token: portal"));
    for gone in [Some(token("2020-01-01T00:00:00Z")), None] {
        match gone {
            Some(text) => std::fs::write(&cached, text).expect("written"),
            None => std::fs::remove_file(&cached).expect("removed"),
        }
        let said = world.run(&[("AWS_PROFILE", "sso")]).await;
        assert!(said.contains("aws sso login --profile sso"), "{said}");
    }
}

/// The name of the file in which AWS's tools keep the token of a session.
fn sso_file(session: &str) -> String {
    let output = Command::new("sha1sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().and_then(|mut child| {
        use std::io::Write as _;
        child.stdin.take().expect("piped").write_all(session.as_bytes())?;
        child.wait_with_output()
    });
    let text = String::from_utf8(output.expect("coreutils").stdout).expect("text");
    format!("{}.json", text.split_whitespace().next().expect("a digest"))
}

const MFA: &str = "[profile safe]\nrole_arn = arn:aws:iam::1:role/r\nmfa_serial = arn:aws:iam::1:mfa/me\nsource_profile = keys\n\
                   external_id = ours\nduration_seconds = 1800\n\
                   [profile keys]\naws_access_key_id = AKIAKEYS\naws_secret_access_key = s\n";

#[tokio::test]
async fn a_role_with_mfa_is_refused_where_nobody_can_type_and_its_kept_session_serves() {
    let world = World::new(MFA, vec![ASSUMED, ALIASES, ALIASES]).await;
    let said = world.run(&[("AWS_PROFILE", "safe")]).await;
    assert!(said.contains("asks for a code of arn:aws:iam::1:mfa/me") && said.contains("no terminal"), "{said}");
    let said = world.run(&[("AWS_PROFILE", "safe"), ("TEST_CODE", "12 34")]).await;
    assert!(said.contains("six digits"), "{said}");
    assert!(world.server.seen.lock().is_empty());
    assert_eq!(world.run(&[("AWS_PROFILE", "safe"), ("TEST_CODE", "123456\n")]).await, "answered");
    assert_eq!(world.signer(), "ASIAROLE");
    let asked = world.server.seen.lock()[0].clone();
    for part in [
        "SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme",
        "TokenCode=123456",
        "ExternalId=ours",
        "DurationSeconds=1800",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    assert!(asked.contains("Credential=AKIAKEYS/"), "{asked}");
    // The next command has no terminal, and needs none.
    assert_eq!(world.run(&[("AWS_PROFILE", "safe")]).await, "answered");
    assert_eq!((world.signer().as_str(), world.server.seen.lock().len()), ("ASIAROLE", 3));
}

#[tokio::test]
async fn profiles_that_lead_nowhere_are_named() {
    let circle = "[profile a]\nrole_arn = arn:aws:iam::1:role/a\nmfa_serial = m\nsource_profile = b\n\
                  [profile b]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = a\n";
    let world = World::new(circle, vec![]).await;
    let said = world.run(&[("AWS_PROFILE", "a")]).await;
    assert!(said.contains("the profile `a` is its own source"), "{said}");
    let alone = "[profile a]\nrole_arn = arn:aws:iam::1:role/a\nmfa_serial = m\n";
    let world = World::new(alone, vec![]).await;
    let said = world.run(&[("AWS_PROFILE", "a")]).await;
    assert!(said.contains("no `source_profile`"), "{said}");
}

#[tokio::test]
async fn a_command_gives_credentials_and_one_that_fails_is_named() {
    let script = "#!/bin/sh\n[ -e \"$HOME/fail\" ] && exit 3\n\
                  echo '{\"Version\":1,\"AccessKeyId\":\"AKIAPROC\",\"SecretAccessKey\":\"s\"}'\n";
    let world = World::new("", vec![ALIASES]).await;
    let program = world.path("give.sh");
    std::fs::write(&program, script).expect("written");
    let config = format!("[profile process]\ncredential_process = /bin/sh {}\n", program.display());
    std::fs::write(world.path(".aws/config"), config).expect("written");
    assert_eq!(world.run(&[("AWS_PROFILE", "process")]).await, "answered");
    assert_eq!(world.signer(), "AKIAPROC");
    std::fs::write(world.path("fail"), "").expect("written");
    let said = world.run(&[("AWS_PROFILE", "process")]).await;
    assert!(said.contains("`credential_process` of the profile `process`"), "{said}");
}

#[tokio::test]
async fn credentials_that_a_service_calls_expired_are_fetched_anew_once_and_then_say_how_to_renew() {
    let script = "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"AKIAPROC\",\"SecretAccessKey\":\"s\"}'\n";
    let expired =
        || Play::Answer(400, "", r#"{"__type":"ExpiredTokenException","message":"The security token is expired"}"#);
    let world = World::new("", vec![expired(), ALIASES, expired(), expired()]).await;
    let program = world.path("give.sh");
    std::fs::write(&program, script).expect("written");
    let config = format!("[profile process]\ncredential_process = /bin/sh {}\n", program.display());
    std::fs::write(world.path(".aws/config"), config).expect("written");
    assert_eq!(world.run(&[("AWS_PROFILE", "process")]).await, "answered");
    let said = world.run(&[("AWS_PROFILE", "process")]).await;
    assert!(said.contains("expired; run the `credential_process` of the profile `process` by hand"), "{said}");
    assert_eq!(world.server.seen.lock().len(), 4);
}

#[tokio::test]
async fn a_request_that_is_called_expired_is_made_again_with_new_credentials_once() {
    let script = "#!/bin/sh\necho call >> \"$HOME/calls\"\n\
                  echo '{\"Version\":1,\"AccessKeyId\":\"AKIAPROC\",\"SecretAccessKey\":\"s\"}'\n";
    let stale = || Play::Answer(400, "", r#"{"__type":"RequestExpired","message":"Request has expired."}"#);
    let world = World::new("", vec![stale(), ALIASES, stale(), stale()]).await;
    let program = world.path("give.sh");
    std::fs::write(&program, script).expect("written");
    let config = format!("[profile process]\ncredential_process = /bin/sh {}\n", program.display());
    std::fs::write(world.path(".aws/config"), config).expect("written");
    assert_eq!(world.run(&[("AWS_PROFILE", "process")]).await, "answered");
    assert_eq!(std::fs::read_to_string(world.path("calls")).expect("calls").lines().count(), 2);
    let said = world.run(&[("AWS_PROFILE", "process")]).await;
    assert!(said.contains("RequestExpired"), "{said}");
    assert_eq!(world.server.seen.lock().len(), 4);
}

#[tokio::test]
async fn a_web_identity_token_becomes_a_role() {
    let assumed = Play::Answer(
        200,
        "",
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
    );
    let world = World::new("", vec![assumed, ALIASES]).await;
    let token = world.path("token");
    std::fs::write(&token, "jwt").expect("written");
    let token = token.to_str().expect("text").to_owned();
    let environment = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/ci")];
    assert_eq!(world.run(&environment).await, "answered");
    assert_eq!(world.signer(), "ASIAWEB");
    std::fs::remove_file(world.path("token")).expect("removed");
    let said = world.run(&environment).await;
    assert!(said.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{said}");
}

#[tokio::test]
async fn containers_and_instances_give_their_roles() {
    let role = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIACONT","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}"#;
    let world = World::new("", vec![Play::Answer(200, "", role), ALIASES]).await;
    let url = format!("{}/role", world.server.address);
    assert_eq!(world.run(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]).await, "answered");
    assert_eq!(world.signer(), "ASIACONT");
    let instance = Box::leak(role.replace("ASIACONT", "ASIAHOST").into_boxed_str());
    let plays = vec![
        Play::Answer(200, "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n", "token"),
        Play::Answer(200, "", "host-role"),
        Play::Answer(200, "", instance),
        ALIASES,
    ];
    let world = World::new("", plays).await;
    let address = world.server.address.clone();
    let imds = [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())];
    assert_eq!(world.run(&imds).await, "answered");
    assert_eq!(world.signer(), "ASIAHOST");
}

#[tokio::test]
async fn nothing_at_all_and_a_profile_that_isnt_there_are_said_in_one_sentence() {
    let world = World::new("[profile home]\nregion = eu-north-1\n", vec![]).await;
    let said = world.run(&[]).await;
    assert!(said.starts_with("there are no AWS credentials: set AWS_PROFILE") && !said.contains("IMDS"), "{said}");
    let said = world.run(&[("AWS_PROFILE", "hom")]).await;
    assert!(said.contains("no profile `hom` (they have home)"), "{said}");
    let said = world.run(&[("TEST_PROFILE", "home")]).await;
    assert!(said.contains("`home` gives no credentials"), "{said}");
    let said = world.run(&[("AWS_REGION", "")]).await;
    assert!(said.contains("AWS_REGION"), "{said}");
}

#[tokio::test]
async fn one_service_may_have_an_endpoint_of_its_own() {
    let other = serve(vec![ALIASES]).await;
    let world = World::new("", vec![]).await;
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(world.run(&[keys[0], keys[1], ("AWS_ENDPOINT_URL_KMS", &other.address)]).await, "answered");
    assert_eq!((other.seen.lock().len(), world.server.seen.lock().len()), (1, 0));
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"] {
        let said = world.run(&[keys[0], keys[1], (variable, "127.0.0.1:9000")]).await;
        assert!(said.contains("`127.0.0.1:9000` is no endpoint"), "{said}");
    }
}
