//! Roles and instance profiles that stand elsewhere in IAM than their spec says. No call moves one, and its name is the account's only one
//! whatever the path: it is made where it belongs under another name, which it keeps from then on.

use std::time::{Duration, SystemTime};

use aws_sdk_iam::types::RoleDetail;
use chrono::{DateTime, SecondsFormat, Utc};

use super::{Observed, Path, Spec};
use crate::kind::{Context, Found, Wanted};
use crate::names;
use crate::resource::Obstacle;

/// How long a role stays that has given its place up: its sessions end with it, and none lasts longer.
const KEPT: Duration = Duration::from_hours(12);

/// Where one stands: its path and its name.
pub(in crate::kinds) type Place<'a> = (Option<&'a Path>, &'a str);

/// The name that one has, or gets, where its spec wants it; none where that is the spec's. `longest` is how long a name may be.
pub(in crate::kinds) fn name_beside(live: Place<'_>, spec: Place<'_>, moves: bool, longest: usize) -> Option<String> {
    let ((live_path, live_name), (path, name)) = (live, spec);
    let second = format!("{name}-2");
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
/// that began before.
pub(super) fn keep(
    context: &Context,
    details: &[&RoleDetail],
    wanted: &[Wanted<'_, Spec>],
    found: &mut [Found<Spec, Observed>],
) {
    let made = |name: &str| {
        let detail = details.iter().find(|detail| detail.role_name() == Some(name))?;
        u64::try_from(detail.create_date()?.secs()).ok()
    };
    let exist: Vec<_> = found.iter().map(|role| (role.address.clone(), role.spec.clone())).collect();
    for role in found {
        let Some(address) = role.address.before_replaced() else { continue };
        let is_elsewhere = |spec: &&Spec| spec.path != role.spec.path;
        let heir = exist.iter().find(|(other, _)| *other == address).map(|(_, spec)| spec);
        let to_come = || wanted.iter().find(|one| *one.address == address).map(|one| one.spec).filter(is_elsewhere);
        role.observed.kept_until = match heir {
            Some(heir) => {
                let made = Some(heir).filter(is_elsewhere).and_then(|heir| made(&heir.name));
                let until = made.map(|made| SystemTime::UNIX_EPOCH + Duration::from_secs(made) + KEPT);
                until.filter(|until| *until > context.aws.now()).map(written)
            }
            // An apply was killed before it made the one in its place.
            None => to_come().map(|_| format!("twelve hours after {address} is made")),
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
    let reason = format!("hosts, jobs and functions may still work by sessions of it, until {until} at the latest");
    Some(Obstacle::new(reason, "apply again after that: it goes then"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
