//! `security_group`: who may talk to a network interface, and whom it may talk to.

pub(super) mod default;
mod rules;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{ErrorKind, Needed as _, ask, ask_once};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, IpPermission, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::rules::rules;
pub use self::rules::{Protocol, Rule, Words};
use super::ec2::Thing as _;
use super::spec::{compared, in_place, replaces};
use super::values::{VpcId, text};
use super::{ec2, holders, tagging, tags, wait};
use crate::kind::{
    Billing, Clash, Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Quota, Step, Wanted,
};
use crate::resource::Address;

text!(
    /// A security group's name.
    GroupName,
    r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}$"
);

/// Who may talk to a network interface, and whom it may talk to. Its rules are exactly those named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: VpcId,
    /// The name, unique in the VPC; it can't begin with `sg-`.
    pub name: GroupName,
    /// What it is for; it can't be changed later.
    pub description: Words,
    /// What may come in. Default: nothing.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub ingress: Vec<Rule>,
    /// What may go out. Default: everything over IPv4; an empty list forbids everything.
    #[serde(default = "everything")]
    #[schemars(length(max = 1000))]
    pub egress: Vec<Rule>,
}

fn everything() -> Vec<Rule> {
    vec![Rule { protocol: Protocol::All, cidr: Some("0.0.0.0/0".to_owned()), ..Rule::default() }]
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
    "ec2:DescribeNetworkInterfaces",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
];
const FACTS: Facts = Facts {
    identified_by: &["vpc", "name"],
    quota: Some(Quota::SecurityGroups),
    review: &["ingress", "egress"],
    billing: Billing::Free,
    tagging: Some(&tagging::Ec2),
    ..Facts::of(
        "security_group",
        "who may talk to a network interface, and whom it may talk to",
        FIELDS,
        OUTPUTS,
        ACTIONS,
    )
};

/// The kind.
#[derive(Debug)]
pub struct SecurityGroup;

#[async_trait]
impl Kind for SecurityGroup {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.name.starts_with("sg-") {
            bail!("a group's name can't begin with `sg-`, as identifiers do: {}", spec.name);
        }
        spec.ingress.iter_mut().chain(&mut spec.egress).try_for_each(Rule::canonical)?;
        let why = "let the same through, and AWS holds them for one rule, whatever their descriptions say";
        Clash::within("ingress", &spec.ingress, Rule::same_traffic, why)?;
        Ok(Clash::within("egress", &spec.egress, Rule::same_traffic, why)?)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let Some((live, spec)) = step.live.zip(step.spec) else { return Vec::new() };
        let goes = |way: &str, old: &[Rule], new: &[Rule]| {
            step.updates(way) && old.iter().any(|rule| !new.iter().any(|other| other.same_traffic(rule)))
        };
        if goes("ingress", &live.ingress, &spec.ingress) || goes("egress", &live.egress, &spec.egress) {
            return vec!["connections that only the removed rules allow end".to_owned()];
        }
        Vec::new()
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        spec.ingress.iter().map(|rule| Grant::to(rule.peer(), format!("reach it by {}", rule.ports()))).collect()
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        ec2::found(context, read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let create = || async {
            let tags = ec2::specification(context, address, ResourceType::SecurityGroup);
            let call = context.aws.ec2().create_security_group().vpc_id(spec.vpc.as_str()).tag_specifications(tags);
            let call = call.group_name(spec.name.as_str()).description(spec.description.as_str());
            let made = ask_once(call.send()).await?;
            made.group_id.needed("ec2", "CreateSecurityGroup.GroupId")
        };
        let id = ec2::make_once::<types::SecurityGroup, _>(context, address, true, create).await?;
        arrange(context, &id, spec).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        arrange(context, &live.id, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        // Two groups whose rules name each other would hold each other alive.
        let Some(group) = types::SecurityGroup::described(context, &live.id).await? else { return Ok(()) };
        for way in [Way::Ingress, Way::Egress] {
            let rules = rules(way.permissions(&group), &live.id)?;
            let naming: Vec<Rule> = rules.into_iter().filter(|rule| rule.group.is_some()).collect();
            call_with(context, &live.id, (way, Change::Revoke), &naming).await?;
        }
        let call = context.aws.ec2().delete_security_group().group_id(&live.id);
        wait::released(context, || holders::of_group(context, &live.id), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(group) = types::SecurityGroup::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, group)?)
    }
}

/// A direction.
#[derive(Clone, Copy)]
enum Way {
    Ingress,
    Egress,
}

impl Way {
    fn permissions(self, group: &types::SecurityGroup) -> &[IpPermission] {
        match self {
            Self::Ingress => group.ip_permissions(),
            Self::Egress => group.ip_permissions_egress(),
        }
    }
}

/// What is done to rules.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    Authorize,
    Describe,
    Revoke,
}

/// Makes the group's rules exactly those of the spec; what is to be open opens before anything closes.
async fn arrange(context: &Context, id: &str, spec: &Spec) -> Result<Outcome> {
    let group = wait::until(context, wait::VISIBLE, &format!("{id} is not listed"), || {
        types::SecurityGroup::described(context, id)
    })
    .await?;
    for (way, desired) in [(Way::Ingress, &spec.ingress), (Way::Egress, &spec.egress)] {
        let live = rules(way.permissions(&group), id)?;
        let within = |rules: &[Rule], rule: &Rule| rules.iter().any(|other| other.same_traffic(rule));
        let missing: Vec<Rule> = desired.iter().filter(|rule| !within(&live, rule)).cloned().collect();
        let extra: Vec<Rule> = live.iter().filter(|rule| !within(desired, rule)).cloned().collect();
        let reworded: Vec<Rule> =
            desired.iter().filter(|rule| within(&live, rule) && !live.contains(rule)).cloned().collect();
        call_with(context, id, (way, Change::Authorize), &missing).await?;
        call_with(context, id, (way, Change::Describe), &reworded).await?;
        call_with(context, id, (way, Change::Revoke), &extra).await?;
    }
    let arn = ec2::arn(context, "security-group", id);
    Ok(tags::outcome(id, &[("id", id), ("arn", &arn), ("name", &spec.name)]))
}

/// One call for several rules, none for none.
async fn call_with(context: &Context, id: &str, (way, change): (Way, Change), rules: &[Rule]) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let permissions: Vec<IpPermission> = rules.iter().map(|rule| rule.permission(id)).collect();
    let ec2 = context.aws.ec2();
    macro_rules! sent {
        ($operation:ident) => {{
            let call = ec2.$operation().group_id(id).set_ip_permissions(Some(permissions));
            wait::visible(context, || ask(call.clone().send())).await.map(drop)
        }};
    }
    let answer = match (way, change) {
        (Way::Ingress, Change::Authorize) => sent!(authorize_security_group_ingress),
        (Way::Ingress, Change::Describe) => sent!(update_security_group_rule_descriptions_ingress),
        (Way::Ingress, Change::Revoke) => sent!(revoke_security_group_ingress),
        (Way::Egress, Change::Authorize) => sent!(authorize_security_group_egress),
        (Way::Egress, Change::Describe) => sent!(update_security_group_rule_descriptions_egress),
        (Way::Egress, Change::Revoke) => sent!(revoke_security_group_egress),
    };
    match answer {
        // A repeated call whose first answer was lost, or somebody was faster with one of them.
        Err(error) if error.is_already_exists() && rules.len() == 1 => Ok(()),
        Err(error) if error.is_already_exists() => {
            for rule in rules.chunks(1) {
                Box::pin(call_with(context, id, (way, change), rule)).await?;
            }
            Ok(())
        }
        Err(error) if error.kind == ErrorKind::NotSet && change == Change::Revoke => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

fn read(context: &Context, group: &types::SecurityGroup) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "security_group", group) else { return Ok(None) };
    let id = group.id()?;
    let name = group.group_name().needed("ec2", "SecurityGroup.GroupName")?;
    let spec = Spec {
        vpc: group.vpc_id().needed("ec2", "SecurityGroup.VpcId")?.into(),
        name: name.into(),
        description: group.description().needed("ec2", "SecurityGroup.Description")?.into(),
        ingress: rules(Way::Ingress.permissions(group), id)?,
        egress: rules(Way::Egress.permissions(group), id)?,
    };
    let arn = ec2::arn(context, "security-group", id);
    Ok(Some(tags::found(address, &tags, id, spec, &[("id", id), ("arn", &arn), ("name", name)])))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind;

    #[test]
    fn rules_that_aws_holds_for_one_are_refused_with_both_places() {
        let refused = |way: &str, rules: Value| {
            let mut spec = json!({"vpc": "vpc-1", "name": "a", "description": "b"});
            spec[way] = rules;
            AnyKind::normalise(&SecurityGroup, &spec).err().map(|error| error.to_string())
        };
        let ranges = json!([{"from_port": 22, "cidr": "10.0.0.7/8"}, {"from_port": 22, "cidr": "10.0.0.0/8"}]);
        let said = refused("ingress", ranges).expect("refused");
        assert!(said.starts_with("`ingress[0]` and `ingress[1]` let the same through"), "{said}");
        let office = json!({"from_port": 22, "cidr": "10.0.0.0/8", "description": "office"});
        let home = json!({"from_port": 22, "to_port": 22, "cidr": "10.0.0.0/8", "description": "home"});
        let other = json!({"from_port": 80, "cidr": "10.0.0.0/8"});
        let said = refused("egress", json!([office, other, home])).expect("refused");
        assert!(said.starts_with("`egress[0]` and `egress[2]`"), "{said}");
        assert_eq!(refused("ingress", json!([office, other])), None);
    }

    #[test]
    fn rules_take_the_form_in_which_aws_gives_them_back() {
        let normalise = |spec: &Value| AnyKind::normalise(&SecurityGroup, spec);
        let spec = |rule: Value| json!({"vpc": "vpc-1", "name": "a", "description": "b", "ingress": [rule]});
        let rule = |rule: Value| normalise(&spec(rule)).map(|spec| spec["ingress"][0].clone());
        let range = json!({"protocol": "6", "from_port": 22, "cidr": "10.0.0.7/8"});
        let expected = json!({"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.0/8"});
        assert_eq!(rule(range).unwrap(), expected);
        let open = json!({"protocol": "all", "from_port": 1, "to_port": 2, "group": "self"});
        assert_eq!(rule(open).unwrap(), json!({"protocol": "all", "group": "self"}));
        let two = rule(json!({"cidr": "10.0.0.0/8", "group": "self"})).unwrap_err();
        assert!(two.to_string().contains("exactly one"), "{two}");
        let egress = normalise(&json!({"vpc": "vpc-1", "name": "a", "description": "b"})).unwrap();
        assert_eq!(egress["egress"], json!([{"protocol": "all", "cidr": "0.0.0.0/0"}]));
    }
}
