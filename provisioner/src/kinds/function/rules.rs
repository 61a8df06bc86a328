//! What Lambda takes of a function, and what should never stand in one.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::kind::holds_credentials;

/// The runtimes that new functions may have.
pub const RUNTIMES: [&str; 21] = [
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "dotnet8",
    "dotnet10",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
    "provided.al2",
    "provided.al2023",
];

/// The most bytes that names and values of the environment have together.
const ENVIRONMENT: usize = 4096;
/// Names that Lambda sets itself.
const RESERVED: [&str; 14] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
/// How names end whose value is a secret.
const SECRETS: [&str; 8] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRET_KEY", "PRIVATE_KEY", "API_KEY", "TOKEN"];

/// Refuses secrets in an environment.
pub fn no_secrets(environment: &BTreeMap<String, String>) -> Result<()> {
    match environment.iter().find(|(name, value)| is_secret(name, value)) {
        None => Ok(()),
        Some((name, _)) => bail!(
            "environment: {name} looks like a secret, and whoever may look at the environment reads it; put it into \
             `[secrets]`, give its ARN, `{name}_ARN = \"${{secret.NAME.arn}}\"`, and read it at run time"
        ),
    }
}

/// What is wrong with an environment: names, size, and secrets in it.
pub fn environment(environment: &BTreeMap<String, String>) -> Result<()> {
    for name in environment.keys() {
        let mut letters = name.chars();
        let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
        let goes_on = name.len() > 1 && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if RESERVED.contains(&name.as_str()) {
            bail!("environment: Lambda sets {name} itself; choose another name");
        }
        if !begins || !goes_on {
            bail!("environment: `{name}` is no name: a letter, then letters, digits and `_`, two at least");
        }
    }
    no_secrets(environment)?;
    let size: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > ENVIRONMENT {
        bail!("environment has {size} bytes; Lambda takes {ENVIRONMENT}: put settings into an object of a bucket");
    }
    Ok(())
}

fn is_secret(name: &str, value: &str) -> bool {
    let refers = value.is_empty() || value.starts_with("arn:") || value.contains("${");
    let upper = name.to_uppercase();
    let named = SECRETS.iter().any(|end| upper.ends_with(end)) && !refers;
    let access_key = (value.starts_with("AKIA") || value.starts_with("ASIA"))
        && value.len() == 20
        && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    named || access_key || value.contains("-----BEGIN") || holds_credentials(value)
}

/// The file within the zip that inline code becomes, after the module that the handler names.
pub fn inline_file(runtime: &str, handler: &str) -> Result<String> {
    let module = handler.rsplit_once('.').map(|(module, _)| module).unwrap_or_default();
    if module.is_empty() {
        bail!("`{handler}` names no function of a module, as in `index.handler`");
    }
    match runtime {
        _ if runtime.starts_with("python") => Ok(format!("{}.py", module.replace('.', "/"))),
        _ if runtime.starts_with("nodejs") => Ok(format!("{module}.mjs")),
        _ => bail!("inline code is for Python and Node.js; for {runtime} name a folder: `source = \"functions/NAME\"`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;
    use crate::kinds::function::Function;

    fn refused(name: &str, value: &str) -> bool {
        environment(&[(name.to_owned(), value.to_owned())].into()).is_err()
    }

    #[test]
    fn secrets_stay_out_of_the_environment() {
        assert!(
            refused("DB_PASSWORD", "hunter2")
                && refused("github_token", "x")
                && refused("KEY_ID", "AKIAABCDEFGHIJKLMNOP")
        );
        assert!(refused("CERT", "-----BEGIN PRIVATE KEY-----"));
        assert!(refused("DATABASE_URL", "postgres://shop:hunter2@db/shop"));
        assert!(!refused("DATABASE_URL", "postgres://db/shop") && !refused("HOOK", "https://example.com/a:b@c"));
        assert!(!refused("DB_SECRET", "${secret.db.arn}") && !refused("DB_SECRET", "arn:aws:secretsmanager:x"));
        assert!(!refused("BUCKET", "raw") && !refused("SECRET_NAME", "AmazonMSK_shop_kafka"));
    }

    #[test]
    fn what_lambda_refuses_is_refused() {
        assert!(refused("AWS_REGION", "x") && refused("1X", "x") && refused("X", "x") && refused("A-B", "x"));
        assert!(refused("LONG", &"x".repeat(4093)) && !refused("LONG", &"x".repeat(4092)));
        let with = |name: &str, runtime: &str| {
            Function.normalise(&json!({
                "name": name, "runtime": runtime, "handler": "index.handler", "source": "functions/hello",
                "role": "arn:aws:iam::123456789012:role/hello",
            }))
        };
        assert!(with("shop-hello_1", "python2.7").is_err() && with("shop-hello_1", "python3.13").is_ok());
        assert!(with("a.b", "python3.13").is_err() && with("", "python3.13").is_err());
    }

    #[test]
    fn inline_code_stands_where_the_handler_looks() {
        assert_eq!(inline_file("python3.13", "a.b.handler").expect("a file"), "a/b.py");
        assert_eq!(inline_file("nodejs22.x", "index.handler").expect("a file"), "index.mjs");
        assert!(inline_file("java21", "a.B::c").is_err() && inline_file("python3.13", "handler").is_err());
    }
}
