//! What a call asks for.

use serde_json::Value;

use super::Ask;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::services::kms;
use crate::state::{State, Tags};

/// What one call asks for, under construction.
pub(super) struct Asks<'s, 'a> {
    pub state: &'s mut State<'a>,
    pub request: &'s Request,
    asked: Vec<Ask>,
}

impl<'s, 'a> Asks<'s, 'a> {
    pub fn new(state: &'s mut State<'a>, request: &'s Request) -> Self {
        Self { state, request, asked: Vec::new() }
    }

    pub fn done(self) -> Vec<Ask> {
        self.asked
    }

    pub fn operation(&self) -> &'s str {
        &self.request.operation
    }

    pub fn input(&self) -> &'s Value {
        &self.request.input
    }

    /// A member of the input as text.
    pub fn text(&self, member: &str) -> Option<&'s str> {
        self.request.input.text(member).filter(|text| !text.is_empty())
    }

    /// An ARN in the caller's account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.request.arn(service, resource)
    }

    pub fn add(&mut self, ask: Ask) -> Option<()> {
        self.asked.push(ask);
        Some(())
    }

    /// What was added last.
    pub fn last(&mut self) -> Option<&mut Ask> {
        self.asked.last_mut()
    }

    /// An action that takes no resource.
    pub fn plain(&mut self, action: &str) -> Option<()> {
        self.add(Ask::on(action, "*"))
    }

    /// An action on a resource.
    pub fn on(&mut self, action: &str, resource: impl Into<String>) -> Option<()> {
        self.add(Ask::on(action, resource))
    }

    /// The operation as an action of a service, with the tags that the request brings.
    pub fn with_tags(&mut self, service: &str, resource: impl Into<String>, tags: &Tags) -> Option<()> {
        self.add(Ask::on(&format!("{service}:{}", self.request.operation), resource).tags(tags))
    }

    /// Tagging what the operation makes, when the request brings tags.
    pub fn tag_made(&mut self, action: &str, resource: impl Into<String>, tags: &Tags) -> Option<()> {
        if tags.is_empty() { Some(()) } else { self.add(Ask::on(action, resource).tags(tags)) }
    }

    /// The operation as an action of a service on a resource.
    pub fn own(&mut self, service: &str, resource: impl Into<String>) -> Option<()> {
        self.on(&format!("{service}:{}", self.request.operation), resource)
    }

    /// Handing a role to a service, which then acts as it. The role is given by its ARN or its name.
    pub fn pass(&mut self, role: &str, service: &str) -> Option<()> {
        let arn = super::iam::role_arn(self.state, &self.request.account, role);
        self.add(Ask::on("iam:PassRole", arn).key("iam:PassedToService", Some(service)))
    }

    /// What a service does in the caller's name.
    pub fn in_name(&mut self, action: &str, resource: impl Into<String>) -> Option<()> {
        self.add(Ask::on(action, resource).by_service())
    }

    /// Making the role of its own that a service works as, which it does with an account's first thing of its kind.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html>
    pub fn link(&mut self, service: &str, role: &str) -> Option<()> {
        let arn = format!("arn:aws:iam::{}:role/aws-service-role/{service}/{role}", self.request.account);
        let ask = Ask::on("iam:CreateServiceLinkedRole", arn).key("iam:AWSServiceName", Some(service));
        self.add(ask.by_service())
    }

    /// What a service does with a key in the caller's name. Keys of AWS's own ask for nothing.
    pub fn use_key(&mut self, actions: &[&str], key: &str, via: &str) -> Option<()> {
        let Some(arn) = kms::key_arn(self.state, &self.request.account, &self.request.region, key) else {
            return Some(());
        };
        let via = format!("{via}.{}.amazonaws.com", self.request.region);
        for action in actions {
            let grant = (*action == "kms:CreateGrant").then_some("true");
            let ask = Ask::on(action, &arn).key("kms:ViaService", Some(&via));
            self.add(ask.by_service().key("kms:GrantIsForAWSResource", grant));
        }
        Some(())
    }
}
