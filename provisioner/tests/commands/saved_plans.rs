//! Saved plans: what was approved is what is applied, and who reads the file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::place::Place;
use sha2::{Digest as _, Sha256};

const STACK: &str = r#"[stack]
name = "kept"
region = "eu-north-1"

[resource.sns_topic.hook]
name = "kept-hook"
https = ["https://user:hunter2@example.com/hook"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_what_is_applied() {
    let place = Place::new().await;
    let path = |name: &str| place.folder.path().join(name);
    let (stack, plan) = (path("stack.toml"), path("stack.plan"));
    fs::write(&stack, STACK).unwrap();
    // One that others could read is there already.
    fs::write(&plan, "old").unwrap();
    fs::set_permissions(&plan, Permissions::from_mode(0o644)).unwrap();
    let (stack, file) = (stack.display().to_string(), plan.display().to_string());

    let said = place.run(&["plan", &stack, "--out", &file]).await;
    let sha256 = hex::encode(Sha256::digest(fs::read(&plan).unwrap()));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains(&format!("SHA-256 of the plan: {sha256}\n")), "{}", said.err);
    assert_eq!(fs::metadata(&plan).unwrap().permissions().mode() & 0o777, 0o600);
    // What an apply needs stands in the file, and nowhere else.
    assert!(fs::read_to_string(&plan).unwrap().contains("hunter2"));
    for format in ["text", "markdown", "json"] {
        let shown = place.run(&["show", &file, "--format", format]).await;
        assert!(shown.code == Some(0) && shown.out.contains("https://example.com/(sensitive)"), "{}", shown.out);
        assert!(!format!("{}{}{}{}", said.out, said.err, shown.out, shown.err).contains("hunter2"), "{format}");
        assert!(shown.err.contains(&sha256), "{}", shown.err);
    }

    let other = "0".repeat(64);
    let refused = place.run(&["apply", &file, "--yes", "--expect-sha256", &other]).await;
    let both = format!("its SHA-256 is {sha256}, and --expect-sha256 says {other}");
    assert!(refused.code == Some(1) && refused.err.contains(&both), "{}", refused.err);
    let tampered = path("tampered.plan");
    let text = fs::read_to_string(&plan).unwrap().replace("example.com", "example.org");
    fs::write(&tampered, &text).unwrap();
    let tampered = tampered.display().to_string();
    let refused = place.run(&["apply", &tampered, "--yes", "--expect-sha256", &sha256]).await;
    assert!(refused.code == Some(1) && refused.err.contains("isn't the plan that was approved"), "{}", refused.err);
    let refused = place.run(&["apply", &stack, "--yes", "--expect-sha256", &sha256]).await;
    assert!(refused.code == Some(1) && refused.err.contains("--expect-sha256 is for a saved plan"), "{}", refused.err);
    let refused = place.run(&["apply", &file, "--yes", "--expect-sha256", "abc"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("64 hexadecimal digits"), "{}", refused.err);

    let applied = place.run(&["apply", &file, "--yes", "--expect-sha256", &sha256.to_uppercase()]).await;
    assert_eq!(applied.code, Some(0), "{}", applied.err);
    assert!(!format!("{}{}", applied.out, applied.err).contains("hunter2"), "{}", applied.err);
    let again = place.run(&["plan", &stack, "--detailed-exitcode"]).await;
    assert_eq!(again.code, Some(0), "{}{}", again.out, again.err);
}
