//! Roles and instance profiles that stand elsewhere in IAM than their spec says. No call moves one, and its name is the account's only one
//! whatever the path: it is made where it belongs under another name, which it keeps from then on.

use std::time::{Duration, SystemTime};

use aws_sdk_iam::types::RoleDetail;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Path, Spec};
use crate::kind::{Context, Found, LEFT, Wanted};
use crate::kinds::tag_lists;
use crate::names;
use crate::resource::Obstacle;

/// How long a role stays that has given its place up: its sessions end with it, and none lasts longer.
const KEPT: Duration = Duration::from_hours(12);

/// What only a role that exists has.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Observed {
    /// Until when one stays that has given its place up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<String>,
    /// Whether it is noted when that began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_left: bool,
}

/// Where one stands: its path and its name.
pub(in crate::kinds) type Place<'a> = (Option<&'a Path>, &'a str);

/// The name that one has, or gets, where its spec wants it; none where that is the spec's. `longest` is how long a name may be.
pub(in crate::kinds) fn name_beside(live: Place<'_>, spec: Place<'_>, moves: bool, longest: usize) -> Option<String> {
    let ((live_path, live_name), (path, name)) = (live, spec);
    let [_, second] = names::moved(name);
    let (has_name, has_second) = (live_name == name, live_name == second);
    if live_path == path || !moves {
        return has_second.then_some(second);
    }
    // From another place it comes back to its own name. Where the path isn't the stack's, whoever applies it may make no other.
    let stack = path.and_then(|path| names::stack_of_identities(path))?;
    // Workflows name the roles that apply the stack by their ARNs, and they are an administrator's to move.
    let applies_stack = names::DEPLOYERS.iter().any(|part| name == names::of_part(stack, part));
    (has_name && second.len() <= longest && !applies_stack).then_some(second)
}

/// Notes of the roles among those found that have given their place to one elsewhere how long they stay: until no session is left
/// that began while something worked by them. What only claims to be the stack's takes nobody's place.
pub(super) async fn keep(
    context: &Context,
    details: &[&RoleDetail],
    wanted: &[Wanted<'_, Spec>],
    found: &mut [Found<Spec, Observed>],
) {
    let detail = |name: &str| details.iter().find(|detail| detail.role_name() == Some(name));
    let made = |name: &str| {
        let seconds = u64::try_from(detail(name)?.create_date()?.secs()).ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    };
    let left = |name: &str| {
        let left = tag_lists::read(detail(name)?.tags()).remove(LEFT)?;
        DateTime::parse_from_rfc3339(&left).ok().map(SystemTime::from)
    };
    let mut own = Vec::new();
    for role in &*found {
        if context.records.is_own(&role.address, &role.id, role.applied.as_deref()).await {
            own.push((role.address.clone(), role.spec.clone()));
        }
    }
    for role in found {
        let Some(address) = role.address.before_replaced() else { continue };
        let is_elsewhere = |spec: &&Spec| spec.path != role.spec.path;
        let heir = own.iter().find(|(other, _)| *other == address).map(|(_, spec)| spec);
        // An apply may have been killed before it made the one in its place, or somebody deleted that.
        let to_come = wanted.iter().find(|one| *one.address == address).map(|one| one.spec);
        let left = left(role.spec.name.as_str()).filter(|_| heir.is_some());
        role.observed.is_left = left.is_some();
        role.observed.kept_until = match (heir.or(to_come).filter(is_elsewhere), left) {
            (None, _) => None,
            (Some(heir), Some(left)) => {
                // Anybody may write a tag: it makes the time no shorter than the successor's own.
                let until = made(heir.name.as_str()).map_or(left, |made| made.max(left)) + KEPT;
                (until > context.aws.now()).then(|| written(until))
            }
            (Some(_), None) => Some(format!("twelve hours after an apply has moved them to {address}")),
        };
    }
}

fn written(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What moving it does, for the plan.
pub(super) fn consequence(live: &Spec, spec: &Spec) -> String {
    let path = |spec: &Spec| spec.path.as_ref().map_or("/", Path::as_str).to_owned();
    format!(
        "it moves from {} to {}; the old one stays for twelve hours, for sessions of it that are at work, and goes with an \
         apply after that",
        path(live),
        path(spec)
    )
}

/// Why a role stays.
pub(super) fn obstacle(observed: &Observed) -> Option<Obstacle> {
    let until = observed.kept_until.as_ref()?;
    let fix = if observed.is_left {
        "apply again after that: it goes then"
    } else {
        "apply again: the apply by which the last of them has moved writes the time down"
    };
    let reason = format!("hosts, jobs and functions may still work by sessions of it, until {until} at the latest");
    Some(Obstacle::new(reason, fix))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::kind::{ADDRESS, STACK};
    use crate::kinds::tags;
    use crate::record::Judge;
    use crate::resource::Address;

    #[test]
    fn one_that_moves_gets_another_name_and_keeps_it() {
        let (root, own, teams) = (Path::from("/"), Path::from("/lakewright/shop/"), Path::from("/teams/"));
        let beside = |live: (&Path, &str), spec: (&Path, &str), moves: bool| {
            name_beside((Some(live.0), live.1), (Some(spec.0), spec.1), moves, 64)
        };
        let app = (&own, "shop-app");
        let second = Some("shop-app-2".to_owned());
        assert_eq!(beside((&root, "shop-app"), app, false), None, "it stays where it is");
        assert_eq!(beside((&root, "shop-app"), app, true), second);
        // It has moved, and stays.
        for moves in [false, true] {
            assert_eq!(beside((&own, "shop-app-2"), app, moves), second);
            assert_eq!(beside(app, app, moves), None);
        }
        // Its path changes once more.
        assert_eq!(beside((&own, "shop-app-2"), (&teams, "shop-app"), false), second);
        assert_eq!(beside((&own, "shop-app-2"), (&teams, "shop-app"), true), None);
        assert_eq!(beside((&root, "shop-app"), (&teams, "shop-app"), true), None, "that isn't the stack's path");
        // Another name in the file is a replacement of its own.
        assert_eq!(beside((&root, "shop-old"), app, true), None);
        assert_eq!(beside((&root, "shop-ci"), (&own, "shop-ci"), true), None, "workflows name it by its ARN");
        let long = "x".repeat(63);
        assert_eq!(beside((&root, &long), (&own, &long), true), None, "IAM has no room for the name");
    }

    /// Knows of some ARNs that they are the stack's.
    #[derive(Debug)]
    struct Knows(&'static [&'static str]);

    #[async_trait]
    impl Judge for Knows {
        async fn is_own(&self, _address: &Address, id: &str, _applied: Option<&str>) -> bool {
            self.0.contains(&id)
        }
    }

    /// A role of IAM, made so many hours ago and noted to be left so many hours ago.
    fn role(now: SystemTime, (path, name, address): (&str, &str, &str), made: u64, left: Option<u64>) -> RoleDetail {
        let ago = |hours: u64| now - Duration::from_hours(hours);
        let mut tags = vec![(STACK, "shop".to_owned()), (ADDRESS, address.to_owned())];
        tags.extend(left.map(|hours| (LEFT, written(ago(hours)))));
        let tags = tags.iter().map(|(key, value)| (*key, value.as_str()));
        let tags: Vec<(&str, &str)> = tags.collect();
        RoleDetail::builder()
            .path(path)
            .role_name(name)
            .arn(format!("arn:{name}"))
            .create_date(ago(made).into())
            .set_tags(Some(tag_lists::written(&tags)))
            .build()
    }

    /// Until when the first of the roles stays, where `shop-app` and `shop-app-2` are the stack's, and whether that is noted.
    async fn kept(context: &Context, details: &[RoleDetail]) -> (Option<String>, bool) {
        let found = |detail: &RoleDetail| {
            let name = detail.role_name().expect("a name");
            let spec = Spec {
                name: name.into(),
                path: detail.path().map(Into::into),
                description: String::new(),
                trust: json!({ "Statement": [] }),
                policies: BTreeMap::new(),
                attached_policies: Vec::new(),
                permissions_boundary: None,
                max_session_seconds: 3600,
            };
            let tags = tag_lists::read(detail.tags());
            let address = tags::address(context, "role", &tags).expect("an address");
            tags::found(address, &tags, &format!("arn:{name}"), spec, &[("name", name)])
        };
        let mut found: Vec<Found<Spec, Observed>> = details.iter().map(found).collect();
        keep(context, &details.iter().collect::<Vec<_>>(), &[], &mut found).await;
        (found[0].observed.kept_until.clone(), found[0].observed.is_left)
    }

    #[tokio::test]
    async fn twelve_hours_count_from_when_the_last_of_its_users_has_moved() {
        let context = crate::kinds::testing::context();
        let own = &["arn:shop-app", "arn:shop-app-2"];
        let records = context.records.clone().judged_by(Arc::new(Knows(own)));
        let context = Context { records, ..context };
        let now = context.aws.now();
        let old = |made: u64, left: Option<u64>| role(now, ("/", "shop-app", "role.app@1f3c2b"), made, left);
        let new = |made: u64| role(now, ("/lakewright/shop/", "shop-app-2", "role.app"), made, None);
        let in_hours = |hours: u64| Some(written(now + Duration::from_hours(hours)));

        // The new one exists for long, and something was moved to it an hour ago.
        assert_eq!(kept(&context, &[old(99, Some(1)), new(30)]).await, (in_hours(11), true));
        assert_eq!(kept(&context, &[old(99, Some(13)), new(30)]).await, (None, true));
        // Nothing says that all has moved.
        let (until, is_noted) = kept(&context, &[old(99, None), new(30)]).await;
        let until = until.expect("it stays");
        assert!(!is_noted && until == "twelve hours after an apply has moved them to role.app", "{until}");
        // A tag that somebody else wrote shortens nothing below the new one's own time.
        assert_eq!(kept(&context, &[old(99, Some(90)), new(2)]).await, (in_hours(10), true));

        // What only claims its address takes its place for nobody.
        let foreign = role(now, ("/x/", "foreign", "role.app"), 90, None);
        assert_eq!(kept(&context, &[old(99, Some(80)), foreign.clone(), new(2)]).await, (in_hours(10), true));
        assert_eq!(kept(&context, &[old(99, Some(80)), foreign]).await, (None, false));
    }
}
