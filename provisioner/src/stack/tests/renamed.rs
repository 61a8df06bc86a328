//! Fields of single resources under the names that they once had.

use super::{expanded, mistakes, parsed, spec};

const OLD: &str = r#"[stack]
name = "shop"

[resource.volume.data]
zone = "eu-north-1a"
gib = 20

[resource.subnet.own]
vpc = "${vpc.main.id}"
cidr = "10.20.200.0/24"
zone = "eu-north-1a"
public_addresses = true
"#;

#[test]
fn a_field_is_read_under_its_old_name_with_a_warning_where_it_stands() {
    let stack = parsed(OLD);
    let desired = expanded(&stack);
    for (address, old, new, value) in [
        ("volume.data", "gib", "size_gib", serde_json::json!(20)),
        ("subnet.own", "public_addresses", "map_public_ip_on_launch", serde_json::json!(true)),
    ] {
        let spec = spec(&desired, address);
        assert_eq!((&spec[new], spec.get(old)), (&value, None), "{address}");
    }
    let text = stack.warnings.warnings(false);
    assert_eq!(text.matches("warning: ").count(), 2, "{text}");
    for said in [
        "warning: `volume.data`: the field `gib` is called `size_gib`",
        "test.toml:6:1",
        "help: write `size_gib`",
        "warning: `subnet.own`: the field `public_addresses` is called `map_public_ip_on_launch`",
        "test.toml:12:1",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_field_under_its_name_of_today_is_no_warning() {
    let new = OLD.replace("gib = 20", "size_gib = 20").replace("public_addresses", "map_public_ip_on_launch");
    let stack = parsed(&new);
    assert_eq!(stack.warnings.list, []);
}

#[test]
fn a_field_under_both_of_its_names_is_a_mistake() {
    let text = mistakes(&OLD.replace("gib = 20", "gib = 20\nsize_gib = 30"), &[]);
    assert!(text.contains("remove `gib`: `size_gib` has a value, too") && text.contains("1 mistake\n"), "{text}");
}

#[test]
fn what_is_wrong_with_a_value_is_said_where_the_old_name_stands() {
    let text = mistakes(&OLD.replace("gib = 20", "gib = \"many\""), &[]);
    assert!(text.contains("`size_gib` is a text") && text.contains("test.toml:6:7"), "{text}");
}

#[test]
fn a_field_without_effect_is_read_with_a_warning() {
    let stack = parsed("[stack]\nname = \"shop\"\n[agents.shipper]\nbackup_records = 10000\n");
    let text = stack.warnings.warnings(false);
    assert_eq!(text.matches("warning: ").count(), 1, "{text}");
    for said in ["`agents.shipper.backup_records` has no effect any more", "test.toml:4:18", "help: remove the line"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}
