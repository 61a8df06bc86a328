//! `security_group`: who may talk to a network interface, and whom it may talk to.

mod rules;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{ErrorKind, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::rules::Rule;
use self::rules::rules;
use super::spec::{compared, describes, differs, in_place, plain, replaces, typed, value};
use super::tags::{self, Making};
use super::wait;
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// Who may talk to a network interface, and whom it may talk to. Its rules are exactly those named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]+$"))]
    pub vpc: String,
    /// The name, unique in the VPC; it can't begin with `sg-`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What it is for; it can't be changed later.
    #[schemars(length(max = 255))]
    pub description: String,
    /// What may come in. Default: nothing.
    #[serde(default)]
    pub ingress: Vec<Rule>,
    /// What may go out. Default: everything over IPv4; an empty list forbids everything.
    #[serde(default = "everything")]
    pub egress: Vec<Rule>,
}

fn everything() -> Vec<Rule> {
    vec![Rule {
        protocol: "all".to_owned(),
        from_port: None,
        to_port: None,
        cidr: Some("0.0.0.0/0".to_owned()),
        group: None,
        prefix_list: None,
        description: String::new(),
    }]
}

const FIELDS: &[Field] = &[
    replaces("vpc"),
    replaces("name"),
    replaces("description"),
    compared(in_place("ingress"), Comparing::AsSet),
    compared(in_place("egress"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["id", "arn", "name"];
const ACTIONS: &[&str] = &[
    "ec2:CreateSecurityGroup",
    "ec2:DeleteSecurityGroup",
    "ec2:DescribeSecurityGroups",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct SecurityGroup;

#[async_trait]
impl Kind for SecurityGroup {
    describes!(
        "security_group",
        "who may talk to a network interface, and whom it may talk to",
        FIELDS,
        OUTPUTS,
        canonical
    );

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "vpc") || differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let goes = |way: &str| {
            let (old, new) = (list(live, way), list(spec, way));
            changed.contains(&way) && old.iter().any(|rule| !new.iter().any(|other| same_but_words(rule, other)))
        };
        if action == Action::Update && (goes("ingress") || goes("egress")) {
            return vec!["connections that only the removed rules allow end".to_owned()];
        }
        Vec::new()
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let groups = tags::sweep(context, "DescribeSecurityGroups", "securityGroupInfo").await?;
        Ok(groups.iter().filter_map(|group| read(context, group)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let making = Making {
            operation: "CreateSecurityGroup",
            input: json!({
                "GroupName": spec.name,
                "GroupDescription": spec.description,
                "VpcId": spec.vpc,
                "TagSpecification": tags::specification(context, address, "security-group"),
            }),
            element: "",
            describe: "DescribeSecurityGroups",
            set: "securityGroupInfo",
            id: "groupId",
            unique: true,
        };
        let id = tags::make_once(context, address, making).await?;
        arrange(context, &id, &spec).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        arrange(context, &live.id, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        // Two groups whose rules name each other would hold each other alive.
        let Some(group) = describe(context, &live.id).await? else { return Ok(()) };
        for way in [INGRESS, EGRESS] {
            let naming: Vec<Rule> =
                rules(&group, &live.id, way.list).into_iter().filter(|rule| rule.group.is_some()).collect();
            call_with(context, &live.id, way.revoke, &naming).await?;
        }
        let input = json!({"GroupId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteSecurityGroup", input.clone())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one =
            tags::claim_one(context, address, ("DescribeSecurityGroups", "securityGroupInfo"), ("GroupId", id)).await?;
        Ok(one.and_then(|group| read(context, &group)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

/// Whether two rules of specs differ in nothing but what they say of themselves.
fn same_but_words(one: &Value, other: &Value) -> bool {
    let members = |rule: &Value| rule.as_object().cloned().unwrap_or_default();
    let (mut one, mut other) = (members(one), members(other));
    one.remove("description");
    other.remove("description");
    one == other
}

/// The names that the API has for one direction.
#[derive(Clone, Copy)]
struct Way {
    list: &'static str,
    authorize: &'static str,
    revoke: &'static str,
    describe: &'static str,
}

const INGRESS: Way = Way {
    list: "ipPermissions",
    authorize: "AuthorizeSecurityGroupIngress",
    revoke: "RevokeSecurityGroupIngress",
    describe: "UpdateSecurityGroupRuleDescriptionsIngress",
};
const EGRESS: Way = Way {
    list: "ipPermissionsEgress",
    authorize: "AuthorizeSecurityGroupEgress",
    revoke: "RevokeSecurityGroupEgress",
    describe: "UpdateSecurityGroupRuleDescriptionsEgress",
};

async fn describe(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Ec2, "DescribeSecurityGroups", json!({"GroupId": [id]})).await;
    Ok(wait::found(answer)?.and_then(|answer| list(&answer, "securityGroupInfo").first().cloned()))
}

/// Makes the group's rules exactly those of the spec; what is to be open opens before anything closes.
async fn arrange(context: &Context, id: &str, spec: &Spec) -> Result<Outcome> {
    let group = wait::until(context, wait::VISIBLE, &format!("{id} is not listed"), || describe(context, id)).await?;
    for (way, desired) in [(INGRESS, &spec.ingress), (EGRESS, &spec.egress)] {
        let live = rules(&group, id, way.list);
        let within = |rules: &[Rule], rule: &Rule| rules.iter().any(|other| other.same_traffic(rule));
        let missing: Vec<Rule> = desired.iter().filter(|rule| !within(&live, rule)).cloned().collect();
        let extra: Vec<Rule> = live.iter().filter(|rule| !within(desired, rule)).cloned().collect();
        let reworded: Vec<Rule> =
            desired.iter().filter(|rule| within(&live, rule) && !live.contains(rule)).cloned().collect();
        call_with(context, id, way.authorize, &missing).await?;
        call_with(context, id, way.describe, &reworded).await?;
        call_with(context, id, way.revoke, &extra).await?;
    }
    let arn = tags::ec2_arn(context, "security-group", id);
    Ok(tags::outcome(id, &[("id", id), ("arn", &arn), ("name", &spec.name)]))
}

/// One call for several rules, none for none.
async fn call_with(context: &Context, id: &str, operation: &str, rules: &[Rule]) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let permissions: Vec<Value> = rules.iter().map(|rule| rule.permission(id)).collect();
    let input = json!({"GroupId": id, "IpPermissions": permissions});
    let answer = wait::visible(context, || context.aws.call(Service::Ec2, operation, input.clone())).await;
    match answer {
        // A repeated call whose first answer was lost.
        Err(error) if error.is_already_exists() && rules.len() == 1 => Ok(()),
        Err(error) if error.kind == ErrorKind::NotSet && operation.starts_with("Revoke") => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

fn canonical(spec: &mut Spec) -> Result<()> {
    plain("group's name", &spec.name)?;
    if spec.name.starts_with("sg-") {
        bail!("a group's name can't begin with `sg-`, as identifiers do: {}", spec.name);
    }
    plain("group's description", &spec.description)?;
    spec.ingress.iter().chain(&spec.egress).try_for_each(|rule| plain("rule's description", &rule.description))?;
    spec.ingress.iter_mut().chain(&mut spec.egress).try_for_each(Rule::canonical)
}

fn read(context: &Context, group: &Value) -> Option<Live> {
    let tags = tags::of(list(group, "tagSet"));
    let address = tags::address(context, "security_group", &tags)?;
    let id = text(group, "groupId");
    let spec = Spec {
        vpc: text(group, "vpcId").to_owned(),
        name: text(group, "groupName").to_owned(),
        description: text(group, "groupDescription").to_owned(),
        ingress: rules(group, id, INGRESS.list),
        egress: rules(group, id, EGRESS.list),
    };
    let arn = tags::ec2_arn(context, "security-group", id);
    Some(tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn), ("name", &spec.name)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_take_the_form_in_which_aws_gives_them_back() {
        let spec = |rule: Value| json!({"vpc": "vpc-1", "name": "a", "description": "b", "ingress": [rule]});
        let rule = |rule: Value| SecurityGroup.normalise(&spec(rule)).map(|spec| spec["ingress"][0].clone());
        let range = json!({"protocol": "6", "from_port": 22, "cidr": "10.0.0.7/8"});
        let expected = json!({"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/8"});
        assert_eq!(rule(range).unwrap(), expected);
        let open = json!({"protocol": "all", "from_port": 1, "to_port": 2, "group": "self"});
        assert_eq!(rule(open).unwrap(), json!({"protocol": "all", "group": "self"}));
        let two = rule(json!({"cidr": "10.0.0.0/8", "group": "self"})).unwrap_err();
        assert!(two.to_string().contains("exactly one"), "{two}");
        let egress = SecurityGroup.normalise(&json!({"vpc": "v", "name": "a", "description": "b"})).unwrap();
        assert_eq!(egress["egress"], json!([{"protocol": "all", "cidr": "0.0.0.0/0"}]));
    }
}
