//! The kind `job_run` against an account: started once, found as meant, replaced when it failed, gone.

mod plans;

use std::collections::HashMap;

use crate::account::{ACCOUNT, Account, REGION, account, account_with, kind};
use aws_sdk_emrserverless::types::{JobDriver, JobRun, JobRunMode, JobRunState, SparkSubmit};
use aws_sdk_s3::types::CreateBucketConfiguration;
use lakewright::kind::{ADDRESS, Context, Departure, STACK, Wanted};
use lakewright::resource::{Address, Condition, Live};
use lakewright::services::Services as _;
use lakewright_account::Delays;
use lakewright_aws::ask;
use serde_json::{Value, json};

const PROGRAM: &str = "s3://jobs/stream.jar";

fn role() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/stream")
}

fn stream() -> Address {
    "job_run.stream".parse().unwrap()
}

/// A bucket with a program.
async fn program(account: &Account) {
    let aws = &account.context.aws;
    let here = CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
    ask(aws.s3_client().create_bucket().bucket("jobs").create_bucket_configuration(here).send()).await.unwrap();
    written(account).await;
}

/// Writes the program.
async fn written(account: &Account) {
    let aws = &account.context.aws;
    ask(aws.s3_client().put_object().bucket("jobs").key("stream.jar").body(b"a jar".to_vec().into()).send())
        .await
        .unwrap();
}

/// An application of the stack, with its id.
async fn application(account: &Account) -> String {
    let address: Address = "emr_application.main".parse().unwrap();
    let spec = kind(&address).normalise(&json!({"name": "shop"})).unwrap();
    kind(&address).create(&account.context, &address, &spec).await.unwrap().id
}

fn spec(application: &str) -> Value {
    let spec = json!({
        "application": application, "name": "shop-stream", "execution_role": role(), "entry_point": PROGRAM,
        "arguments": ["--config", "s3://jobs/stream.json"], "spark_parameters": "--class lakewright.stream.Main",
        "log_location": "s3://jobs/logs/", "max_failed_attempts_per_hour": 3,
    });
    kind(&stream()).normalise(&spec).unwrap()
}

async fn find(context: &Context, spec: &Value) -> Vec<Live> {
    let address = stream();
    kind(&address).find(context, &[Wanted { address: &address, spec }]).await.unwrap()
}

/// A run as EMR shows it, by its ARN.
async fn shown(context: &Context, arn: &str) -> JobRun {
    let mut parts = arn.rsplit('/');
    let (run, application) = (parts.next().unwrap(), parts.nth(1).unwrap());
    let call = context.aws.emr_serverless().get_job_run().application_id(application).job_run_id(run);
    ask(call.send()).await.unwrap().job_run.unwrap()
}

/// Starts a run by hand and returns its ARN.
async fn by_hand(context: &Context, application: &str, mode: JobRunMode, tags: &[(&str, &str)]) -> String {
    let tags: HashMap<String, String> = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let spark = SparkSubmit::builder().entry_point(PROGRAM).build().unwrap();
    let call = context.aws.emr_serverless().start_job_run().application_id(application).name("shop-stream");
    let call = call.mode(mode).execution_role_arn(role()).job_driver(JobDriver::SparkSubmit(spark));
    ask(call.set_tags(Some(tags)).client_token(uuid::Uuid::new_v4().to_string()).send()).await.unwrap().arn
}

/// Waits until a run runs; it has found its program by then.
async fn running(context: &Context, arn: &str) {
    while *shown(context, arn).await.state() != JobRunState::Running {
        tokio::time::sleep(context.pace.poll).await;
    }
}

#[tokio::test]
async fn runs() {
    let account = account().await;
    program(&account).await;
    let full = spec(&application(&account).await);
    let made = account.create("job_run.stream", full.clone()).await;
    let run = shown(&account.context, &made.id).await;
    assert_eq!((run.state(), run.execution_timeout_minutes()), (&JobRunState::Running, Some(0)));
    account.delete("job_run.stream", &full).await;
    assert_eq!(shown(&account.context, &made.id).await.state(), &JobRunState::Cancelled);
    // The same call as before would be answered with the run that is over.
    let plain =
        json!({"application": full["application"], "name": "n", "execution_role": role(), "entry_point": PROGRAM});
    account.create("job_run.stream", plain.clone()).await;
    account.delete("job_run.stream", &plain).await;
    let again = account.create("job_run.stream", full.clone()).await;
    assert_ne!(again.id, made.id);
    account.delete("job_run.stream", &full).await;
}

#[tokio::test]
async fn a_run_that_fails_at_once_says_why_and_is_gone_when_it_was_deleted() {
    let account = account().await;
    let full = spec(&application(&account).await);
    let refused = account.refused("job_run.stream", full.clone()).await;
    assert!(refused.contains("gave the run") && refused.contains(PROGRAM), "{refused}");
    let failed = account.find(&stream(), &full).await.unwrap();
    assert!(matches!(&failed.condition, Condition::Failed(why) if why.contains(PROGRAM)), "{:?}", failed.condition);
    // Its id leads to it, too: the stack may remember it.
    let read = kind(&stream()).read(&account.context, &stream(), &failed.id).await.unwrap().unwrap();
    assert_eq!(read.condition, failed.condition);
    program(&account).await;
    account.delete("job_run.stream", &full).await;
    let made = account.create("job_run.stream", full.clone()).await;
    assert_ne!(made.id, failed.id);
    let tags = shown(&account.context, &failed.id).await.tags.unwrap();
    assert_eq!((tags.get(ADDRESS), tags.get(STACK).map(String::as_str)), (None, Some("shop")));
}

#[tokio::test]
async fn what_was_cancelled_by_hand_is_not_there() {
    let account = account().await;
    program(&account).await;
    let full = spec(&application(&account).await);
    let made = account.create("job_run.stream", full.clone()).await;
    let call = account.context.aws.emr_serverless().cancel_job_run();
    let call = call.application_id(full["application"].as_str().unwrap()).job_run_id(&made.outputs["id"]);
    ask(call.send()).await.unwrap();
    assert!(account.find(&stream(), &full).await.is_none());
    assert!(kind(&stream()).read(&account.context, &stream(), &made.id).await.unwrap().is_none());
    let again = account.create("job_run.stream", full.clone()).await;
    assert_ne!(again.id, made.id);
}

#[tokio::test]
async fn runs_of_others_are_left_alone() {
    let account = account().await;
    program(&account).await;
    let application = application(&account).await;
    let full = spec(&application);
    let own = [(STACK, "shop"), (ADDRESS, "job_run.stream")];
    let theirs = [
        by_hand(&account.context, &application, JobRunMode::Streaming, &[]).await,
        by_hand(&account.context, &application, JobRunMode::Streaming, &[(STACK, "other"), own[1]]).await,
    ];
    by_hand(&account.context, &application, JobRunMode::Batch, &own).await;
    assert!(account.find(&stream(), &full).await.is_none());
    let made = account.create("job_run.stream", full.clone()).await;
    // Of several the newest counts.
    let newest = by_hand(&account.context, &application, JobRunMode::Streaming, &own).await;
    assert_eq!(account.find(&stream(), &full).await.unwrap().id, newest);
    assert_ne!(newest, made.id);
    // None of the address is left behind.
    account.delete("job_run.stream", &full).await;
    for id in [&newest, &made.id] {
        assert_eq!(shown(&account.context, id).await.state(), &JobRunState::Cancelled);
    }
    for id in theirs {
        running(&account.context, &id).await;
    }
}

#[tokio::test]
async fn a_run_that_a_killed_apply_left_gives_way_to_a_new_one() {
    let account = account().await;
    program(&account).await;
    let application = application(&account).await;
    let full = spec(&application);
    let own = [(STACK, "shop"), (ADDRESS, "job_run.stream")];
    // It shows nowhere when the next apply plans, whose file says something else.
    let left = by_hand(&account.context, &application, JobRunMode::Streaming, &own).await;
    let made = kind(&stream()).create(&account.context, &stream(), &full).await.unwrap();
    assert_eq!(shown(&account.context, &left).await.state(), &JobRunState::Cancelled);
    assert_eq!(shown(&account.context, &made.id).await.state(), &JobRunState::Running);
    assert_eq!(account.find(&stream(), &full).await.unwrap().id, made.id);
}

#[tokio::test]
async fn a_run_that_lives_counts_before_a_newer_one_that_failed() {
    let account = account().await;
    program(&account).await;
    let application = application(&account).await;
    let full = spec(&application);
    let own = [(STACK, "shop"), (ADDRESS, "job_run.stream")];
    let older = by_hand(&account.context, &application, JobRunMode::Streaming, &own).await;
    running(&account.context, &older).await;
    ask(account.context.aws.s3_client().delete_object().bucket("jobs").key("stream.jar").send()).await.unwrap();
    account.refused("job_run.stream", full.clone()).await;
    let live = account.find(&stream(), &full).await.unwrap();
    assert_eq!((&live.id, &live.condition), (&older, &Condition::Ready));
    written(&account).await;
    // The one that failed with this spec would be the answer to the same call.
    let changed = ["arguments".to_owned()];
    let made = kind(&stream()).update(&account.context, &live, &full, &changed).await.unwrap();
    assert_eq!(shown(&account.context, &older).await.state(), &JobRunState::Cancelled);
    assert_eq!(account.find(&stream(), &full).await.unwrap().id, made.id);
}

#[tokio::test]
async fn a_plan_without_changes_asks_for_each_run_once() {
    let account = account().await;
    program(&account).await;
    let full = spec(&application(&account).await);
    let requests = async |spec: Option<&Value>| {
        let (address, before) = (stream(), account.context.aws.requests());
        let wanted: Vec<Wanted<'_>> = spec.map(|spec| Wanted { address: &address, spec }).into_iter().collect();
        kind(&address).find(&account.context, &wanted).await.unwrap();
        account.context.aws.requests() - before
    };
    // The tagging API's answer is shared with other kinds.
    assert_eq!(requests(None).await, 1);
    account.create("job_run.stream", full.clone()).await;
    assert_eq!(requests(Some(&full)).await, 2);
    account.delete("job_run.stream", &full).await;
    assert_eq!(requests(None).await, 1, "what was cancelled is asked for");
}

#[tokio::test]
async fn a_run_just_started_is_found_by_its_name() {
    let account = account_with(Delays::Scaled(0.1)).await;
    program(&account).await;
    let full = spec(&application(&account).await);
    let address = stream();
    let made = kind(&address).create(&account.context, &address, &full).await.unwrap();
    let ids = |found: Vec<Live>| found.into_iter().map(|live| live.id).collect::<Vec<_>>();
    assert_eq!(ids(find(&account.context, &full).await), std::slice::from_ref(&made.id));
    // The application is no more than a reference, and shows late itself.
    let mut referring = full.clone();
    referring["application"] = json!("${emr_application.main.id}");
    let main: Address = "emr_application.main".parse().unwrap();
    let beside = kind(&main).normalise(&json!({"name": "shop"})).unwrap();
    let wanted = [Wanted { address: &address, spec: &referring }, Wanted { address: &main, spec: &beside }];
    assert_eq!(ids(kind(&address).find(&account.context, &wanted).await.unwrap()), [made.id]);
}

/// A fault of the account: the list of job runs is answered so.
fn list_answers(error: &str, status: u16) -> String {
    format!("[[fault]]\noperation = \"ListJobRuns\"\nerror = \"{error}\"\nstatus = {status}\n")
}

#[tokio::test]
async fn an_application_of_another_stack_whose_runs_may_not_be_listed_is_passed_by() {
    let account = account().await;
    let main: Address = "emr_application.main".parse().unwrap();
    let (theirs, address) = (Context { stack: "other".to_owned(), ..account.context.clone() }, stream());
    let named = kind(&main).normalise(&json!({"name": "shop"})).unwrap();
    kind(&main).create(&theirs, &main, &named).await.unwrap();
    let referring = spec("${emr_application.main.id}");
    let wanted = [Wanted { address: &address, spec: &referring }, Wanted { address: &main, spec: &named }];
    account.faults(&list_answers("AccessDeniedException", 403));
    assert!(kind(&address).find(&account.context, &wanted).await.unwrap().is_empty());
    // That the stack's own may not be listed is said.
    application(&account).await;
    let denied = kind(&address).find(&account.context, &wanted).await.expect_err("the stack's");
    assert!(lakewright::reading::is_denied(&denied), "{denied:#}");
}

#[tokio::test]
async fn a_list_of_runs_that_is_refused_says_that_there_are_none_only_where_the_application_is_gone() {
    let account = account().await;
    let (address, main) = (stream(), application(&account).await);
    account.faults(&list_answers("ValidationException", 400));
    let wanted = spec(&main);
    let refused = kind(&address).find(&account.context, &[Wanted { address: &address, spec: &wanted }]).await;
    assert!(format!("{:#}", refused.expect_err("refused")).contains("ValidationException"));
    assert!(find(&account.context, &spec("00none")).await.is_empty());
    ask(account.context.aws.emr_serverless().delete_application().application_id(&main).send()).await.unwrap();
    assert!(find(&account.context, &wanted).await.is_empty());
}

#[tokio::test]
async fn the_end_of_a_run_is_waited_for() {
    let account = account_with(Delays::Scaled(0.02)).await;
    program(&account).await;
    let full = spec(&application(&account).await);
    let address = stream();
    let made = kind(&address).create(&account.context, &address, &full).await.unwrap();
    let live = find(&account.context, &full).await.remove(0);
    kind(&address).delete(&account.context, &live).await.unwrap();
    assert_eq!(shown(&account.context, &made.id).await.state(), &JobRunState::Cancelled);
}

#[tokio::test]
async fn a_run_with_an_end_is_adopted_and_gives_way_to_one_without() {
    let account = account().await;
    program(&account).await;
    let application = application(&account).await;
    let batch = by_hand(&account.context, &application, JobRunMode::Batch, &[]).await;
    let refused = kind(&stream()).read(&account.context, &stream(), &batch).await.expect_err("no stream");
    assert!(refused.to_string().contains("in the mode BATCH"), "{refused:#}");
    let arn = by_hand(&account.context, &application, JobRunMode::Streaming, &[]).await;
    let ids = arn.split_once("/applications/").unwrap().1.replace("/jobruns", "");
    for id in [arn.as_str(), &ids] {
        let live = kind(&stream()).read(&account.context, &stream(), id).await.unwrap().unwrap();
        assert_eq!(
            (&live.id, live.departures.iter().map(Departure::field).collect()),
            (&arn, vec!["execution_timeout_minutes"])
        );
        assert_eq!(live.spec["max_failed_attempts_per_hour"], json!(5), "EMR's own limit");
    }
    let live = kind(&stream()).read(&account.context, &stream(), &arn).await.unwrap().unwrap();
    let full = spec(&application);
    let changed = ["execution_timeout_minutes".to_owned()];
    let made = kind(&stream()).update(&account.context, &live, &full, &changed).await.unwrap();
    assert_eq!(shown(&account.context, &arn).await.state(), &JobRunState::Cancelled);
    let found = find(&account.context, &full).await.remove(0);
    assert_eq!((&found.id, found.departures.len(), &found.spec), (&made.id, 0, &full));
}

#[tokio::test]
async fn an_application_cancels_the_streams_that_keep_it_from_changing() {
    let account = account().await;
    program(&account).await;
    let wish = |more: &[(&str, Value)]| {
        let mut spec = json!({"name": "shop"});
        spec.as_object_mut().unwrap().extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        spec
    };
    let main = account.create("emr_application.main", wish(&[])).await;
    let full = spec(&main.id);
    let made = account.create("job_run.stream", full.clone()).await;
    let settings = async || {
        let address: Address = "emr_application.main".parse().unwrap();
        let spec = kind(&address).normalise(&wish(&[])).unwrap();
        account.find(&address, &spec).await.unwrap().outputs["settings"].clone()
    };
    assert_eq!(settings().await, main.outputs["settings"]);
    // What a started application takes ends nothing.
    account.update("emr_application.main", wish(&[("max_capacity", json!({"vcpu": 32}))])).await;
    assert_eq!(shown(&account.context, &made.id).await.state(), &JobRunState::Running);
    assert_eq!(settings().await, main.outputs["settings"]);
    let arm = wish(&[("max_capacity", json!({"vcpu": 32})), ("architecture", json!("ARM64"))]);
    account.update("emr_application.main", arm.clone()).await;
    assert_eq!(shown(&account.context, &made.id).await.state(), &JobRunState::Cancelled);
    assert_ne!(settings().await, main.outputs["settings"]);
    // The plan that changes the application replaces the run: its deletion finds it over.
    let live = kind(&stream()).read(&account.context, &stream(), &made.id).await.unwrap();
    assert!(live.is_none());
    let again = account.create("job_run.stream", full.clone()).await;
    account.delete("emr_application.main", &arm).await;
    assert_eq!(shown(&account.context, &again.id).await.state(), &JobRunState::Cancelled);
}
