//! Plans for an application and a run on it.

use std::collections::{BTreeMap, BTreeSet};

use lakewright::apply::{Progress, apply};
use lakewright::kinds;
use lakewright::plan::{Kinds, Plan, plan};
use lakewright::resource::{Action, Desired, Resource};
use tokio_util::sync::CancellationToken;

use super::*;

/// The plan for an application with more of a spec and a run on it that names its settings.
async fn planned(context: &Context, more: Value) -> Plan {
    let mut application = json!({"name": "shop"});
    application.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut run = spec("${emr_application.main.id}");
    run["spark_parameters"] = json!("--conf spark.lakewright.settings=${emr_application.main.settings}");
    let resources = [("emr_application.main", application), ("job_run.stream", run)].map(|(address, spec)| {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        Resource { address, spec, after: BTreeSet::new(), tags: BTreeMap::new(), span: None }
    });
    let desired = Desired {
        stack: "shop".to_owned(),
        resources: resources.into(),
        moved: Vec::new(),
        foreign_buckets: BTreeMap::new(),
        ignore_tags: Vec::new(),
    };
    let wanted = |one: &'static str| {
        let asked = [one, "emr_application"];
        let of_kind = desired.resources.iter().filter(move |one| asked.contains(&one.address.kind.as_str()));
        of_kind.map(|one| Wanted { address: &one.address, spec: &one.spec }).collect::<Vec<_>>()
    };
    let mut live = Vec::new();
    for name in ["emr_application", "job_run"] {
        live.extend(kinds::named(name).unwrap().find(context, &wanted(name)).await.unwrap());
    }
    plan(Kinds(kinds::all()), &desired, &live).unwrap()
}

fn steps(plan: &Plan) -> Vec<(String, Action)> {
    plan.steps.iter().map(|step| (step.address.to_string(), step.action)).collect()
}

async fn applied(context: &Context, plan: &Plan) {
    let progress = Progress::quiet();
    let report = apply(Kinds(kinds::all()), context, plan, &progress, &CancellationToken::new()).await;
    assert!(report.complete(), "{report:?}");
}

#[tokio::test]
async fn a_change_that_stops_the_application_replaces_the_run_in_the_same_plan() {
    let account = account().await;
    program(&account).await;
    let context = &account.context;
    let run = async || find(context, &spec("00none")).await.remove(0).id;
    let first = planned(context, json!({})).await;
    applied(context, &first).await;
    assert_eq!(steps(&planned(context, json!({})).await), []);
    let before = run().await;

    let wider = json!({"max_capacity": {"vcpu": 32}});
    let plan = planned(context, wider.clone()).await;
    assert_eq!(steps(&plan), [("emr_application.main".to_owned(), Action::Update)]);
    applied(context, &plan).await;
    assert_eq!(run().await, before);

    for other in [json!({"architecture": "ARM64"}), json!({"architecture": "ARM64", "idle_timeout_minutes": 5})] {
        let before = run().await;
        let plan = planned(context, other.clone()).await;
        let expected = [("emr_application.main", Action::Update), ("job_run.stream", Action::Replace)];
        assert_eq!(steps(&plan), expected.map(|(address, action)| (address.to_owned(), action)));
        applied(context, &plan).await;
        assert_eq!(shown(context, &before).await.state(), &JobRunState::Cancelled);
        assert_eq!(shown(context, &run().await).await.state(), &JobRunState::Running);
        assert_eq!(steps(&planned(context, other).await), []);
    }
}
