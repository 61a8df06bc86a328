//! Each effect of fault rules and the log of events, over HTTP as any client sees them.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod wire;

use std::time::Duration;

use lakewright_account::{Config, Faults, Phase, Running};
use serde_json::Value;
use wire::Wire;

const CREATE_VPC: &str = "Action=CreateVpc&CidrBlock=10.0.0.0/16";
const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
const BUCKET: &str =
    "<CreateBucketConfiguration><LocationConstraint>eu-north-1</LocationConstraint></CreateBucketConfiguration>";
const LONG: Duration = Duration::from_secs(30);

struct Place {
    running: Running,
    wire: Wire,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            faults: Faults::parse(rules).unwrap(),
            events: Some(folder.path().join("events.jsonl")),
            ..Config::new(folder.path().join("account"))
        };
        let running = lakewright_account::serve(config).await.unwrap();
        let wire = Wire::new(running.address());
        Self { running, wire, folder }
    }

    /// How many VPCs there are. Rules in these tests leave reads alone.
    async fn vpcs(&self) -> usize {
        self.wire.ec2("Action=DescribeVpcs").await.unwrap().body.matches("<vpcId>").count()
    }
}

#[tokio::test]
async fn an_error_is_answered_and_nothing_is_done() {
    let place = Place::new(
        "[[fault]]\nservice = \"ec2\"\noperation = \"CreateVpc\"\ntimes = 1\nerror = \"InternalError\"\nstatus = 500\nmessage = \"a bad day\"\n",
    )
    .await;
    let answer = place.wire.ec2(CREATE_VPC).await.unwrap();
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("<Code>InternalError</Code><Message>a bad day</Message>"), "{}", answer.body);
    assert_eq!(place.vpcs().await, 0);
    assert_eq!(place.wire.ec2(CREATE_VPC).await.unwrap().status, 200);
    assert_eq!(place.vpcs().await, 1);
}

#[tokio::test]
async fn each_service_throttles_in_its_own_words() {
    let place = Place::new("[[fault]]\nthrottle = true\n").await;
    let ec2 = place.wire.ec2(CREATE_VPC).await.unwrap();
    let iam = place.wire.query("iam", "Action=ListRoles").await.unwrap();
    let kms = place.wire.json("kms", "TrentService.ListKeys", "{}").await.unwrap();
    let kafka = place.wire.send("kafka", "GET", "/api/v2/clusters", &[], "").await.unwrap();
    let route53 = place.wire.send("route53", "GET", "/2013-04-01/hostedzone", &[], "").await.unwrap();
    let s3 = place.wire.send("s3", "PUT", "/bucket/key", &[], &"x".repeat(1 << 20)).await.unwrap();
    for (answer, status, code) in [
        (&ec2, 503, "RequestLimitExceeded"),
        (&iam, 400, "<Code>Throttling</Code>"),
        (&kms, 400, "ThrottlingException"),
        (&kafka, 429, "TooManyRequestsException"),
        (&route53, 400, "<Error><Type>Sender</Type><Code>Throttling</Code>"),
        (&s3, 503, "SlowDown"),
    ] {
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(code), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_lost_answer_has_had_its_effect() {
    let place = Place::new("[[fault]]\nmutating = true\nlost = true\n").await;
    assert!(place.wire.ec2(CREATE_VPC).await.is_none());
    assert_eq!(place.vpcs().await, 1);
    assert!(place.wire.send("s3", "PUT", "/bucket", &[], BUCKET).await.is_none());
    assert!(place.wire.send("s3", "PUT", "/bucket/key", &[], "value").await.is_none());
    assert_eq!(place.wire.send("s3", "GET", "/bucket/key", &[], "").await.unwrap().body, "value");
}

#[tokio::test]
async fn a_lost_request_has_none() {
    let place = Place::new("[[fault]]\nmutating = true\nlost = \"request\"\n").await;
    assert!(place.wire.ec2(CREATE_VPC).await.is_none());
    assert_eq!(place.vpcs().await, 0);
    let events = place.running.events().after(0);
    assert_eq!(events[1].fault, Some("lost-request"));
    assert_eq!(events[1].status, None);
}

#[tokio::test]
async fn a_hanging_request_is_never_answered() {
    for (how, made) in [("true", 1), ("\"request\"", 0)] {
        let place = Place::new(&format!("[[fault]]\noperation = \"CreateVpc\"\nhang = {how}\n")).await;
        let wire = place.wire.clone();
        let asking = tokio::spawn(async move { wire.ec2(CREATE_VPC).await });
        let ended = place.running.events().wait(LONG, |event| event.phase == Phase::End).await;
        assert_eq!((ended[0].n, ended[0].mutation), (1, Some(1)));
        assert_eq!(place.vpcs().await, made);
        assert!(!asking.is_finished());
        // The account's end is the end of the connection.
        place.running.shutdown().await;
        assert!(asking.await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_stops_nothing_that_was_to_be_executed() {
    let place = Place::new("[[fault]]\noperation = \"CreateVpc\"\nhang = true\n").await;
    let wire = place.wire.clone();
    let asking = tokio::spawn(async move { wire.ec2(CREATE_VPC).await });
    let begun = place.running.events().wait(LONG, |event| event.fault == Some("hang")).await;
    assert_eq!(begun[0].phase, Phase::Begin);
    asking.abort();
    let ended = place.running.events().wait(LONG, |event| event.phase == Phase::End).await;
    assert_eq!(ended[0].status, Some(200));
    assert_eq!(place.vpcs().await, 1);
}

#[tokio::test]
async fn a_late_request_takes_its_time() {
    let place = Place::new("[[fault]]\noperation = \"CreateVpc\"\nlatency = \"30ms\"\n").await;
    assert_eq!(place.wire.ec2(CREATE_VPC).await.unwrap().status, 200);
    let events = place.running.events().after(0);
    assert_eq!((events[0].phase, events[0].fault), (Phase::Begin, Some("latency")));
    assert!(events[1].ms >= 30.0, "{}", events[1].ms);
}

#[tokio::test]
async fn what_is_invisible_is_not_found_and_not_listed() {
    let place = Place::new("[[fault]]\noperation = \"Create*\"\ntimes = 3\ninvisible = \"1h\"\n").await;
    let made = place.wire.ec2(CREATE_VPC).await.unwrap();
    assert_eq!(made.status, 200);
    let id = made.element("vpcId");
    let create_role = format!("Action=CreateRole&RoleName=host&AssumeRolePolicyDocument={TRUST}");
    assert_eq!(place.wire.query("iam", &create_role).await.unwrap().status, 200);
    assert_eq!(place.wire.send("s3", "PUT", "/bucket", &[], BUCKET).await.unwrap().status, 200);

    assert_eq!(place.vpcs().await, 0);
    let named = format!("Action=DescribeVpcs&VpcId.1={id}");
    assert!(place.wire.ec2(&named).await.unwrap().body.contains("InvalidVpcID.NotFound"));
    let subnet = format!("Action=CreateSubnet&VpcId={id}&CidrBlock=10.0.0.0/24");
    assert!(place.wire.ec2(&subnet).await.unwrap().body.contains("InvalidVpcID.NotFound"));
    assert_eq!(place.wire.query("iam", "Action=GetRole&RoleName=host").await.unwrap().status, 404);
    // Its name is taken all the same.
    let again = place.wire.query("iam", &create_role).await.unwrap();
    assert!(again.body.contains("EntityAlreadyExists"), "{}", again.body);
    assert_eq!(place.wire.send("s3", "HEAD", "/bucket", &[], "").await.unwrap().status, 404);
}

#[tokio::test]
async fn what_was_invisible_shows_in_time() {
    let place = Place::new("[[fault]]\noperation = \"CreateVpc\"\ninvisible = \"200ms\"\n").await;
    assert_eq!(place.wire.ec2(CREATE_VPC).await.unwrap().status, 200);
    wire::until(async || place.vpcs().await == 1).await;
}

#[tokio::test]
async fn rules_are_replaced_and_counted_while_it_runs() {
    let place = Place::new("").await;
    let rules = "seed = 7\n[[fault]]\noperation = \"CreateVpc\"\nprobability = 0.5\nerror = \"InternalError\"\n";
    let mut runs = Vec::new();
    for _ in 0..2 {
        let put = place.wire.own("PUT", "faults", rules).await;
        assert_eq!((put.status, &put.json()["fault"][0]["hits"]), (200, &Value::from(0)));
        let mut run = Vec::new();
        for _ in 0..20 {
            run.push(place.wire.ec2(CREATE_VPC).await.unwrap().status);
        }
        let hits = run.iter().filter(|status| **status == 500).count();
        let shown = place.wire.own("GET", "faults", "").await.json();
        assert_eq!(shown["fault"][0]["hits"], hits);
        assert_eq!(shown["fault"][0]["matched"], 20);
        assert_eq!(place.running.faults().hits(), [hits as u64]);
        runs.push(run);
    }
    assert!(runs[0].contains(&500) && runs[0].contains(&200));
    assert_eq!(runs[0], runs[1]);

    let refused = place.wire.own("PUT", "faults", "[[fault]]\nlots = true\n").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].as_str().unwrap().contains("line 2"), "{}", refused.body);
    // A file that is refused changes nothing.
    assert_eq!(place.wire.own("GET", "faults", "").await.json()["fault"][0]["matched"], 20);
    assert_eq!(place.wire.own("PUT", "faults", "").await.status, 200);
    assert_eq!(place.wire.ec2(CREATE_VPC).await.unwrap().status, 200);
}

#[tokio::test]
async fn every_request_is_told() {
    let place = Place::new("[[fault]]\noperation = \"Delete*\"\nlost = true\n").await;
    let id = place.wire.ec2(CREATE_VPC).await.unwrap().element("vpcId");
    place.vpcs().await;
    assert!(place.wire.ec2(&format!("Action=DeleteVpc&VpcId={id}")).await.is_none());
    place.wire.send("s3", "GET", "/none/key", &[], "").await.unwrap();

    let file = std::fs::read_to_string(place.folder.path().join("events.jsonl")).unwrap();
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let part = |name: &str| line[name].to_string().replace('"', "");
            ["n", "mutation", "phase", "service", "operation", "resource", "status", "error", "fault"]
                .map(part)
                .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        [
            "1 1 end ec2 CreateVpc 10.0.0.0/16 200 null null".to_owned(),
            "2 null end ec2 DescribeVpcs null 200 null null".to_owned(),
            format!("3 2 begin ec2 DeleteVpc {id} null null lost"),
            format!("3 2 end ec2 DeleteVpc {id} 200 null lost"),
            "4 null end s3 GetObject none/key 404 NoSuchBucket null".to_owned(),
        ]
    );
    assert!(lines.iter().all(|line| line["account"] == "123456789012"));
    assert!(chrono::DateTime::parse_from_rfc3339(lines[0]["time"].as_str().unwrap()).is_ok());

    let listed = place.wire.own("GET", "events?after=2", "").await.json();
    assert_eq!(listed.as_array().unwrap(), &lines[2..]);
    assert_eq!(place.wire.own("GET", "events?line=4", "").await.json().as_array().unwrap(), &lines[4..]);

    assert_eq!(place.wire.own("POST", "reset", "").await.status, 200);
    assert_eq!(place.running.faults().hits(), [0]);
    assert_eq!(place.wire.own("GET", "events", "").await.json(), serde_json::json!([]));
    let wire = place.wire.clone();
    let waiting = tokio::spawn(async move { wire.own("GET", "events?after=0&wait=30s", "").await.json() });
    place.vpcs().await;
    assert_eq!(waiting.await.unwrap()[0]["n"], 1);
}
