//! Resources that are sound alone and can't stand together, and policies that hold one Sid twice.

use super::shipped::stacks_of_the_repository;
use super::{expanded, mistakes, parsed, shipped, spec};
use crate::kind::Clash;
use crate::kinds;
use crate::plan::{Kinds, PlanError, check};
use crate::stack::{Given, load};

/// What is wrong with a stack's resources beside each other.
fn misfits(resources: &str) -> Vec<String> {
    let stack = parsed(&format!("[stack]\nname = \"shop\"\n[network]\nzones = [\"a\"]\n{resources}"));
    match check(Kinds(kinds::all()), &expanded(&stack)) {
        Ok(()) => Vec::new(),
        Err(PlanError::Stack(problems)) => {
            problems.iter().map(|one| format!("{}: {}", one.address, one.text)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

fn subnet(name: &str, vpc: &str, cidr: &str) -> String {
    format!("[resource.subnet.{name}]\nvpc = \"{vpc}\"\ncidr = \"{cidr}\"\nzone = \"eu-north-1a\"\n")
}

#[test]
fn subnets_that_overlap_are_named_both() {
    let own = "${vpc.main.id}";
    let apart = "and subnets of a VPC have no address in common";
    assert_eq!(
        misfits(&subnet("mine", own, "10.20.1.0/24")),
        [
            format!("subnet.a: its range 10.20.0.0/19 overlaps 10.20.1.0/24, that of `subnet.mine`, {apart}"),
            format!("subnet.mine: its range 10.20.1.0/24 overlaps 10.20.0.0/19, that of `subnet.a`, {apart}"),
        ]
    );
    let theirs = "vpc-0123456789abcdef0";
    let both = subnet("one", theirs, "10.0.0.0/24") + &subnet("two", theirs, "10.0.0.128/25");
    assert_eq!(misfits(&both).len(), 2, "in a VPC of others too");
    let apart = subnet("one", theirs, "10.0.0.0/24") + &subnet("two", theirs, "10.0.1.0/24");
    assert_eq!(misfits(&(apart + &subnet("mine", own, "10.20.200.0/24"))), [""; 0]);
    let another =
        format!("[resource.vpc.other]\ncidr = \"10.20.0.0/16\"\n{}", subnet("b", "${vpc.other.id}", "10.20.0.0/19"));
    assert_eq!(misfits(&another), [""; 0], "networks may use the same range");
}

#[test]
fn a_subnet_outside_of_its_network_is_named_with_it() {
    let own = "${vpc.main.id}";
    assert_eq!(
        misfits(&subnet("mine", own, "10.21.0.0/24")),
        ["subnet.mine: its range 10.21.0.0/24 lies outside of 10.20.0.0/16, that of `vpc.main`"]
    );
    let wide = misfits(&subnet("mine", own, "10.16.0.0/12"));
    assert!(
        wide.iter().any(|one| one.ends_with("10.16.0.0/12 is wider than 10.20.0.0/16, that of `vpc.main`")),
        "{wide:?}"
    );
}

#[test]
fn what_only_one_can_have_is_named_with_both() {
    let vpc = "vpc = \"${vpc.main.id}\"\n";
    let table = format!("[resource.route_table.mine]\n{vpc}subnets = [\"${{subnet.a.id}}\"]\n");
    let one = "and a subnet has one route table";
    assert_eq!(
        misfits(&table),
        [
            format!("route_table.public: `subnet.a` uses `route_table.mine` too, {one}"),
            format!("route_table.mine: `subnet.a` uses `route_table.public` too, {one}"),
        ]
    );
    let elsewhere = format!(
        "[resource.vpc.other]\ncidr = \"10.30.0.0/16\"\n{}[resource.route_table.mine]\n{vpc}subnets = [\"${{subnet.b.id}}\"]\n",
        subnet("b", "${vpc.other.id}", "10.30.0.0/24")
    );
    assert_eq!(misfits(&elsewhere), ["route_table.mine: `subnet.b` stands in another VPC than it does"]);
    let scaling = |name: &str| {
        format!(
            "[resource.storage_scaling.{name}]\ncluster = \"arn:aws:kafka:eu-north-1:123456789012:cluster/x/0a1b2c3d-1\"\nmax_gib = 100\n"
        )
    };
    let nat = |name: &str| {
        format!("[resource.nat_gateway.{name}]\nsubnet = \"${{subnet.a.id}}\"\naddress = \"${{elastic_ip.e.id}}\"\n")
    };
    let zone = |name: &str| format!("[resource.private_zone.{name}]\nname = \"a.internal\"\n{vpc}");
    let log = |name: &str| {
        format!("[resource.flow_log.{name}]\n{vpc}bucket = \"arn:aws:s3:::flows\"\ntraffic = \"reject\"\n")
    };
    let endpoint = |name: &str| {
        format!(
            "[resource.vpc_endpoint.{name}]\n{vpc}service = \"glue\"\ntype = \"interface\"\nsubnets = [\"${{subnet.a.id}}\"]\n\
             security_groups = [\"sg-1\"]\nprivate_dns = true\n"
        )
    };
    let gateway = format!("[resource.internet_gateway.mine]\n{vpc}");
    let s3 = format!(
        "[resource.vpc_endpoint.mine]\n{vpc}service = \"s3\"\nroute_tables = [\"${{route_table.public.id}}\"]\n"
    );
    for (resources, part) in [
        (gateway, "`internet_gateway.main` is attached to its VPC"),
        (s3, "`route_table.public` leads to `vpc_endpoint.s3` for s3 too"),
        (endpoint("one") + &endpoint("two"), "`vpc_endpoint.one` has the name of glue too"),
        (format!("[resource.elastic_ip.e]\n{}{}", nat("one"), nat("two")), "its address is that of `nat_gateway.one`"),
        (zone("one") + &zone("two"), "`private_zone.one` is a zone of a.internal in the same VPC"),
        (log("one") + &log("two"), "`flow_log.one` writes the same of the same VPC"),
        (scaling("one") + &scaling("two"), "`storage_scaling.one` is the scaling of its cluster"),
    ] {
        let told = misfits(&resources);
        assert!(told.len() == 2 && told.iter().any(|one| one.contains(part)), "{part}: {told:#?}");
    }
}

#[test]
fn what_names_columns_waits_for_every_table() {
    let desired = expanded(&shipped("shop.toml"));
    let tables: Vec<_> = desired.resources.iter().map(|one| &one.address).filter(|one| one.kind == "table").collect();
    assert!(tables.len() > 2, "{tables:?}");
    let naming = |object: &str| object.ends_with("-stream") || object.ends_with("-producer") || object == "manifest";
    let objects = desired.resources.iter().filter(|one| one.address.kind == "object" && naming(&one.address.name));
    let objects: Vec<_> = objects.collect();
    assert_eq!(objects.len(), 3);
    for object in objects {
        assert!(tables.iter().all(|table| object.after.contains(table)), "{}: {:?}", object.address, object.after);
    }
}

#[test]
fn statements_of_one_sid_are_shown_both() {
    let statement = "{ Sid = \"Read\", Effect = \"Allow\", Action = \"s3:GetObject\", Resource = \"*\" }";
    for section in ["hosts.app", "functions.f"] {
        let more = if section == "functions.f" {
            "inline = \"x\"\nruntime = \"python3.13\"\nhandler = \"index.x\"\n"
        } else {
            ""
        };
        let told = mistakes(
            &format!("[stack]\nname = \"shop\"\n[{section}]\n{more}statements = [\n{statement},\n{statement},\n]\n"),
            &[],
        );
        assert!(told.contains("two statements have the Sid `Read`"), "{told}");
        assert!(told.contains("it stands here first") && told.contains("it stands here again"), "{told}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
    }
    let spaced = statement.replace("Read", "Read all");
    let told = mistakes(&format!("[stack]\nname = \"shop\"\n[hosts.app]\nstatements = [{spaced}]\n"), &[]);
    assert!(told.contains("`Read all` can't be a `Sid`"), "{told}");
    let role = format!(
        "[stack]\nname = \"shop\"\n[resource.role.r]\nname = \"shop-r\"\ntrust = {{ Statement = [] }}\n\
         policies.p = {{ Version = \"2012-10-17\", Statement = [\n{statement},\n{statement},\n] }}\n"
    );
    let told = mistakes(&role, &[]);
    let title = "`role.r`: `policies.p.Statement[0]` and `policies.p.Statement[1]` have one Sid";
    assert!(told.contains(title) && told.contains("give each a Sid of its own"), "{told}");
    assert!(told.contains("it stands here first") && told.contains("it stands here again"), "{told}");
}

#[test]
fn no_policy_that_a_stack_composes_has_one_sid_twice() {
    let buckets = "[buckets.logs]\n[buckets.a-b]\naccess_logs = \"logs\"\n[buckets.ab]\naccess_logs = \"logs\"\n";
    let desired = expanded(&parsed(&format!("[stack]\nname = \"shop\"\n{buckets}")));
    let statements = spec(&desired, "bucket.logs")["policy"]["Statement"].as_array().expect("statements").clone();
    let sids: Vec<&str> = statements.iter().filter_map(|one| one["Sid"].as_str()).collect();
    assert_eq!(sids, ["TlsOnly", "LogsOfshopab123456789012", "LogsOfshopab123456789012z"]);
    let stacks = stacks_of_the_repository();
    let stacks = stacks.iter().map(|path| load(path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}")));
    for resource in stacks.flat_map(|stack| expanded(&stack).resources).chain(desired.resources) {
        let kind = kinds::named(&resource.address.kind).expect("a kind");
        let clash = kind.arrange(&resource.spec).err().and_then(|error| error.downcast::<Clash>().ok());
        assert_eq!(clash, None, "{}", resource.address);
    }
}
