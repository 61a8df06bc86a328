//! Finding the stack's runs: by their tags, and by their names on the applications that they are wanted on.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_emrserverless::primitives::DateTime;
use aws_sdk_emrserverless::types::JobRunState;
use futures::future::try_join_all;

use super::calls::{Place, describe};
use super::wire::read;
use super::{FACTS, Spec};
use crate::kind::{ADDRESS, Context, Found, Wanted};
use crate::kinds::each::{One, each};
use crate::kinds::emr::{self, UNENDED, listed};
use crate::kinds::spec::reference;
use crate::kinds::{tagged, tags};
use crate::resource::{Address, Condition};

/// A run with the time at which it was started.
pub(super) type Dated = (DateTime, Found<Spec>);

/// The runs that the tagging API knows.
pub(super) async fn tagged_runs(context: &Context) -> Result<Vec<Dated>> {
    let tagged = tagged::resources(context, "emr-serverless").await?;
    // What was let go has no address any more.
    let runs = tagged.iter().filter(|(_, tags)| tags.contains_key(ADDRESS));
    let reads = runs.filter_map(|(arn, tags)| Some((Place::of(arn)?, arn, tags))).map(|(place, arn, tags)| {
        let read = async move {
            let run = describe(context, &place).await?;
            run.map_or(Ok(None), |run| read(context, &run))
        };
        One { address: tags::address(context, FACTS.name, tags), id: arn.clone(), read }
    });
    each(context, FACTS.name, reads).await
}

/// Those of some wanted runs that are on the applications which they are wanted on, under their names.
pub(super) async fn among(
    context: &Context,
    wanted: &[&Wanted<'_, Spec>],
    beside: &[Wanted<'_>],
) -> Result<Vec<Dated>> {
    let applications = Applications::of(context, wanted, beside).await?;
    let pairs = wanted.iter().flat_map(|one| applications.of_run(one.spec).into_iter().map(move |id| (id, *one)));
    let reads = pairs.map(|(application, wanted)| One {
        address: Some(wanted.address.clone()),
        id: wanted.spec.name.to_string(),
        read: named(context, application, wanted),
    });
    each(context, FACTS.name, reads).await
}

/// The run on an application that has the name and the address of a wanted one, of several the one that counts. Others may have that
/// name.
async fn named(context: &Context, application: String, wanted: &Wanted<'_, Spec>) -> Result<Option<Dated>> {
    let states = UNENDED.into_iter().chain([JobRunState::Failed]).collect();
    let mut runs = listed(context, &application, states).await?;
    runs.retain(|run| run.name() == Some(wanted.spec.name.as_str()));
    runs.sort_by_key(|run| (*run.state() == JobRunState::Failed, std::cmp::Reverse(run.created_at().as_nanos())));
    for run in runs {
        let place = Place { application: application.clone(), run: run.id().to_owned() };
        let run = describe(context, &place).await?;
        let run = run.map_or(Ok(None), |run| read(context, &run))?;
        if let Some(own) = run.filter(|(_, live)| live.address == *wanted.address) {
            return Ok(Some(own));
        }
    }
    Ok(None)
}

/// The run of each address that counts: the newest of those that live, for one that failed does nothing; where none lives, the newest.
pub(super) fn newest(mut runs: Vec<Dated>) -> Vec<Found<Spec>> {
    runs.sort_by_key(|(at, live)| (live.condition != Condition::Ready, std::cmp::Reverse(at.as_nanos())));
    let mut seen = BTreeSet::new();
    runs.retain(|(_, live)| seen.insert(live.address.clone()));
    runs.into_iter().map(|(_, live)| live).collect()
}

/// The runs of an address beside one, on whichever application: those that live, and those that failed. An apply that ended before
/// a run that it started showed anywhere leaves one behind.
pub(super) async fn others(context: &Context, address: &Address, beside: &Place) -> Result<Vec<Place>> {
    let tagged = tagged::resources(context, "emr-serverless").await?;
    let own = tagged.iter().filter(|(_, tags)| tags::address(context, FACTS.name, tags).as_ref() == Some(address));
    let mut places: BTreeSet<Place> = own.filter_map(|(arn, _)| Place::of(arn)).collect();
    let listed = listed(context, &beside.application, UNENDED.into()).await?;
    places.extend(listed.iter().map(|run| Place { application: beside.application.clone(), run: run.id().to_owned() }));
    places.remove(beside);
    // What they carry now counts: the tagging API lags behind, and the list has no tags.
    let looks = places.into_iter().map(async |place| {
        let run = describe(context, &place).await?;
        let run = run.map_or(Ok(None), |run| read(context, &run))?;
        Ok::<_, anyhow::Error>(run.filter(|(_, live)| live.address == *address).map(|_| place))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// The ids of the applications that wanted runs refer to, by the applications' addresses.
struct Applications(BTreeMap<Address, BTreeSet<String>>);

impl Applications {
    async fn of(context: &Context, wanted: &[&Wanted<'_, Spec>], beside: &[Wanted<'_>]) -> Result<Self> {
        let mut ids: BTreeMap<Address, BTreeSet<String>> =
            wanted.iter().filter_map(|one| Some((reference(&one.spec.application)?, BTreeSet::new()))).collect();
        if ids.is_empty() {
            return Ok(Self(ids));
        }
        for (arn, tags) in tagged::resources(context, "emr-serverless").await? {
            let own = emr::id_in(&arn).zip(tags::address(context, "emr_application", &tags));
            if let Some((id, address)) = own
                && let Some(ids) = ids.get_mut(&address)
            {
                ids.insert(id.to_owned());
            }
        }
        // New ones show late there.
        let names = beside.iter().filter(|one| ids.contains_key(one.address));
        let names: BTreeMap<&str, &Address> =
            names.filter_map(|one| Some((one.spec["name"].as_str()?, one.address))).collect();
        if names.is_empty() {
            return Ok(Self(ids));
        }
        for (id, name) in emr::namesakes(context, &names.keys().copied().collect()).await? {
            if let Some(ids) = names.get(name.as_str()).and_then(|address| ids.get_mut(*address)) {
                ids.insert(id);
            }
        }
        Ok(Self(ids))
    }

    /// The ids of those that a run may stand on.
    fn of_run(&self, spec: &Spec) -> Vec<String> {
        match reference(&spec.application) {
            Some(address) => self.0.get(&address).into_iter().flatten().cloned().collect(),
            None => vec![spec.application.to_string()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tags::Tags;

    #[test]
    fn of_several_runs_of_an_address_the_newest_that_lives_counts() {
        let spec: Spec = serde_json::from_value(super::super::tests::given(&serde_json::json!({}))).expect("a run");
        let run = |at: i64, name: &str, id: &str| {
            let found = tags::found(Address::new("job_run", name), &Tags::new(), id, spec.clone(), &[]);
            (DateTime::from_secs(at), found)
        };
        let failed = |at: i64, name: &str, id: &str| {
            let (at, mut found) = run(at, name, id);
            found.condition = Condition::Failed("why".to_owned());
            (at, found)
        };
        let runs = vec![
            run(1, "a", "first"),
            run(3, "a", "third"),
            run(2, "a", "second"),
            failed(4, "a", "fourth"),
            failed(0, "b", "one"),
            failed(5, "b", "other"),
        ];
        let ids: Vec<String> = newest(runs).into_iter().map(|live| live.id).collect();
        assert_eq!(ids, ["third", "other"]);
    }
}
