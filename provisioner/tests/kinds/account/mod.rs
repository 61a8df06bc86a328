//! An account on this machine, and how tests make, change, find and delete in it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::time::Duration;

use lakewright::kind::{APPLIED, AnyKind, Comparing, Context, Outcome, Pace, Wanted};
use lakewright::kinds;
use lakewright::resource::{Address, Condition, Live};
use lakewright_aws::Aws;
use serde_json::Value;

/// The region.
pub const REGION: &str = "eu-north-1";
/// The account's number.
pub const ACCOUNT: &str = "123456789012";

/// An account on this machine.
pub struct Account {
    /// The context of the stack `shop` in it.
    pub context: Context,
    parts: Option<(lakewright_account::Running, tempfile::TempDir)>,
}

impl Account {
    /// A client of another account on this machine.
    pub fn elsewhere(&self, account: &str) -> Aws {
        let (running, _) = self.parts.as_ref().expect("an account of this machine");
        Aws::with_keys(REGION, &format!("http://{}", running.address()), account, "secret").unwrap()
    }
}

/// `LAKEWRIGHT_TEST_AWS=http://…` names another emulator of AWS to judge the kinds by.
pub async fn account() -> Account {
    account_with(lakewright_account::Delays::None).await
}

/// One whose answers change over time as AWS's do.
pub async fn account_with(delays: lakewright_account::Delays) -> Account {
    let (url, parts) = match std::env::var("LAKEWRIGHT_TEST_AWS") {
        Ok(url) => (url, None),
        Err(_) => {
            let folder = tempfile::tempdir().unwrap();
            let config =
                lakewright_account::Config { delays, ..lakewright_account::Config::new(folder.path().join("account")) };
            let account = lakewright_account::serve(config).await.unwrap();
            (format!("http://{}", account.address()), Some((account, folder)))
        }
    };
    let context = Context {
        aws: Aws::with_keys(REGION, &url, ACCOUNT, "secret").unwrap().of_account(ACCOUNT, BTreeMap::new()),
        stack: "shop".to_owned(),
        account: ACCOUNT.to_owned(),
        caller: format!("arn:aws:iam::{ACCOUNT}:root"),
        region: REGION.to_owned(),
        state_bucket: None,
        nonce: uuid::Uuid::new_v4().to_string(),
        pace: Pace { poll: Duration::from_millis(20), ..Pace::LOCAL },
        clock: lakewright::kind::Clock::default(),
        reading: lakewright::reading::Reading::default(),
        intents: lakewright::intents::Intents::default(),
        waiting: lakewright::kind::Waiting::default(),
        records: lakewright::record::Records::default(),
        tags: lakewright::reading::Tags::new(),
    };
    Account { context, parts }
}

/// The kind of an address.
pub fn kind(address: &Address) -> &'static dyn AnyKind {
    kinds::named(&address.kind).unwrap()
}

/// A value as the planner compares it: lists of sets in one order, at every depth.
pub fn comparable(value: &Value, sets: bool) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            members.map(|(name, member)| (name.clone(), comparable(member, sets))).collect()
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| comparable(item, sets)).collect();
            if sets {
                items.sort_by_key(ToString::to_string);
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

/// The names of the fields in which two specs differ.
pub fn changed(kind: &dyn AnyKind, before: &Value, after: &Value) -> Vec<String> {
    let compared = kind.fields().iter().filter(|field| field.compare != Comparing::Never);
    let differ = compared.filter(|field| {
        let sets = field.compare == Comparing::AsSet;
        comparable(&before[field.name], sets) != comparable(&after[field.name], sets)
    });
    differ.map(|field| field.name.to_owned()).collect()
}

impl Account {
    /// What goes wrong from now on, in the account's rules; nothing for no rules.
    pub fn faults(&self, rules: &str) {
        let (running, _) = self.parts.as_ref().expect("this test needs an account of its own");
        running.faults().set(lakewright_account::Faults::parse(rules).unwrap());
    }

    /// What exists at an address, looked for as when the file names it, and as when it doesn't any more.
    pub async fn find(&self, address: &Address, spec: &Value) -> Option<Live> {
        let wanted = [Wanted { address, spec }];
        let mut found = kind(address).find(&self.context, &wanted).await.unwrap();
        found.retain(|live| live.address == *address);
        assert!(found.len() <= 1, "{found:?}");
        let mut removed = kind(address).find(&self.context, &[]).await.unwrap();
        removed.retain(|live| live.address == *address);
        assert_eq!(removed.len(), found.len(), "{address}: found by name, not by what it carries");
        found.pop()
    }

    /// Finds it as it was meant.
    pub async fn check(&self, address: &Address, spec: &Value, outcome: &Outcome) {
        let kind = kind(address);
        kind.tag(&self.context, outcome, &[(APPLIED, "v1:hash")]).await.unwrap();
        let live = self.find(address, spec).await.unwrap_or_else(|| panic!("{address} is not found"));
        assert_eq!(changed(kind, &live.spec, spec), [""; 0], "{address}: live {:#}, meant {spec:#}", live.spec);
        assert_eq!(live.departures, [], "{address}");
        assert_eq!(live.outputs, outcome.outputs, "{address}");
        assert_eq!(live.outputs.keys().len(), kind.outputs().len(), "{address}");
        assert_eq!(live.condition, Condition::Ready, "{address}");
        if !["record", "release", "saved_query", "table", "table_optimizer"].contains(&kind.name()) {
            assert_eq!(live.applied.as_deref(), Some("v1:hash"), "{address}");
        }
    }

    /// Makes it, twice, as an apply does that was killed before it knew; finds it once and as it was meant.
    pub async fn create(&self, address: &str, spec: Value) -> Outcome {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        assert!(self.find(&address, &spec).await.is_none(), "{address} is there before it was made");
        let context = crate::tagging::of_file(&self.context);
        let outcome = kind(&address).create(&context, &address, &spec).await.unwrap();
        self.check(&address, &spec, &outcome).await;
        let again = kind(&address).create(&context, &address, &spec).await.unwrap();
        assert_eq!(again.id, outcome.id, "{address}");
        self.check(&address, &spec, &again).await;
        let find = async || self.find(&address, &spec).await.unwrap();
        crate::tagging::judge(&self.context, kind(&address), &address, &outcome, find).await;
        outcome
    }

    /// Changes it to the spec and finds it so.
    pub async fn update(&self, address: &str, spec: Value) {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let live = self.find(&address, &spec).await.unwrap();
        let changed = changed(kind(&address), &live.spec, &spec);
        assert!(!changed.is_empty(), "{address}: the test changes nothing");
        let outcome = kind(&address).update(&self.context, &live, &spec, &changed).await.unwrap();
        self.check(&address, &spec, &outcome).await;
    }

    /// Deletes it, twice.
    pub async fn delete(&self, address: &str, spec: &Value) {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(spec).unwrap();
        let live = self.find(&address, &spec).await.unwrap();
        kind(&address).delete(&self.context, &live).await.unwrap();
        assert!(self.find(&address, &spec).await.is_none(), "{address} is still there");
        kind(&address).delete(&self.context, &live).await.unwrap();
    }

    /// The message with which making it is refused.
    pub async fn refused(&self, address: &str, spec: Value) -> String {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let error = kind(&address).create(&self.context, &address, &spec).await.expect_err("refused");
        format!("{error:#}")
    }
}
