//! What all kinds share: reading, rendering with tags, filters, pages, creating and deleting.

use serde_json::{Map, Value, json};

use super::error::{invalid, missing};
use super::kind::Kind;
use super::names::lower_first;
use super::paging::paged;
use super::tags;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::{State, Tags, tag_list};

/// Seconds after which a new resource shows in lists, when the account has delays.
const VISIBLE_SECONDS: i64 = 2;

impl Kind {
    /// Returns the ARN of the resource of that id.
    pub fn arn(&self, state: &State<'_>, id: &str) -> String {
        let scope = state.scope();
        format!("arn:aws:ec2:{}:{}:{}/{id}", scope.region, scope.account, self.resource)
    }

    /// Returns the document of that id, or EC2's error for one that doesn't exist.
    pub fn get(&self, state: &State<'_>, id: &str) -> Result<Value, AwsError> {
        if let Some(document) = state.get(self.collection, id) {
            return Ok(document.clone());
        }
        Err(self.missing(id))
    }

    fn missing(&self, id: &str) -> AwsError {
        let digits = id.strip_prefix(self.prefix);
        if digits.is_none_or(|digits| digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            return AwsError::new(self.malformed, format!("Invalid id: \"{id}\" (expecting \"{}...\")", self.prefix));
        }
        AwsError::new(self.not_found, format!("The {} '{id}' does not exist", self.noun))
    }

    /// Returns the document that a required parameter names.
    pub fn named(&self, state: &State<'_>, request: &Request, parameter: &str) -> Result<Value, AwsError> {
        let id = request.input.text(parameter).filter(|id| !id.is_empty());
        self.get(state, id.ok_or_else(|| missing(&lower_first(parameter)))?)
    }

    /// Keeps a new resource with its tags and returns it as answers show it.
    pub fn create(&self, state: &mut State<'_>, mut document: Value, tags: &Tags) -> Value {
        let id = document.text(self.id).map_or_else(|| ids::resource(self.prefix.trim_end_matches('-')), str::to_owned);
        document[self.id] = json!(id);
        document["_created"] = json!(state.now());
        let arn = self.arn(state, &id);
        state.set_tags(&arn, tags);
        state.put(self.collection, &id, &document);
        self.render(state, &document)
    }

    /// Removes a resource with its tags.
    pub fn delete(&self, state: &mut State<'_>, id: &str) {
        state.remove(self.collection, id);
        let arn = self.arn(state, id);
        state.forget_tags(&arn);
    }

    /// Returns a document as answers show it now: without our members, in its state, with its tags.
    pub fn render(&self, state: &State<'_>, document: &Value) -> Value {
        let mut shown = Map::new();
        for (name, value) in document.as_object().into_iter().flatten() {
            if !name.starts_with('_') {
                shown.insert(name.clone(), value.clone());
            }
        }
        if document.number("_until").is_some_and(|until| until > state.now()) {
            shown.insert("state".into(), document["_before"].clone());
        }
        let arn = self.arn(state, document.text(self.id).unwrap_or_default());
        shown.insert("tagSet".into(), tag_list(&state.tags(&arn), "key", "value"));
        let mut shown = Value::Object(shown);
        self.derive(state, &mut shown);
        shown
    }

    /// Adds the members that follow from other documents.
    fn derive(&self, state: &State<'_>, shown: &mut Value) {
        match self.resource {
            "subnet" => super::subnet::derive(state, shown),
            "route-table" => super::route_table::derive(state, shown),
            "security-group" => super::security_group::derive(state, shown),
            "volume" => super::volume::derive(state, shown),
            "network-acl" => super::vpc::derive_acl(state, shown),
            "elastic-ip" => super::address::derive(state, shown),
            _ => {}
        }
    }

    /// Answers the describe operation.
    pub fn describe(&self, state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
        let found = self.find(state, request)?;
        let (page, next) = paged(request, found)?;
        let mut answer = json!({ self.set: page });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    /// Returns what ids and filters of a describe operation select, rendered.
    pub fn find(&self, state: &State<'_>, request: &Request) -> Result<Vec<Value>, AwsError> {
        let ids = request.input.texts(self.ids);
        let visible = |document: &Value| {
            let created = document.number("_created").unwrap_or_default();
            state.delays().visible(created, state.now(), VISIBLE_SECONDS)
        };
        let mut found = Vec::new();
        if ids.is_empty() {
            let shown = state.list(self.collection).filter(|(_, document)| visible(document));
            found.extend(shown.map(|(_, document)| document.clone()));
        } else {
            for id in &ids {
                found.push(
                    state.get(self.collection, id).filter(|it| visible(it)).cloned().ok_or_else(|| self.missing(id))?,
                );
            }
        }
        let filters = request.input.list("Filter");
        self.check_filters(filters)?;
        let mut selected = Vec::new();
        for document in found {
            let shown = self.render(state, &document);
            if filters.iter().all(|filter| self.selects(filter, &shown, &document)) {
                selected.push(shown);
            }
        }
        Ok(selected)
    }

    fn check_filters(&self, filters: &[Value]) -> Result<(), AwsError> {
        for filter in filters {
            let name = filter.text("Name").ok_or_else(|| missing("Filter.Name"))?;
            let known = name.starts_with("tag:") || name == "tag-key" || self.path(name).is_some();
            if !known {
                return Err(invalid(format!("The filter '{name}' is invalid")));
            }
            if filter.texts("Value").is_empty() {
                return Err(invalid("The filter 'null' is invalid"));
            }
        }
        Ok(())
    }

    fn path(&self, filter: &str) -> Option<&'static str> {
        self.filters.iter().find(|(name, _)| *name == filter).map(|(_, path)| *path)
    }

    fn selects(&self, filter: &Value, shown: &Value, document: &Value) -> bool {
        let name = filter.text("Name").unwrap_or_default();
        let wanted = filter.list("Value");
        let matches = |text: &str| wanted.iter().filter_map(Value::as_str).any(|pattern| tags::fits(pattern, text));
        if let Some(key) = name.strip_prefix("tag:") {
            return shown.list("tagSet").iter().any(|tag| tag["key"] == key && tag.text("value").is_some_and(matches));
        }
        if name == "tag-key" {
            return shown.list("tagSet").iter().any(|tag| tag.text("key").is_some_and(matches));
        }
        let path = self.path(name).unwrap_or_default();
        let source = if path.starts_with('_') { document } else { shown };
        let mut values = Vec::new();
        collect(source, path, &mut values);
        values.iter().any(|value| matches(value))
    }
}

/// Collects the scalars at a dotted path, through lists.
fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, found)),
        Value::Object(members) => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(member) = members.get(name) {
                collect(member, rest, found);
            }
        }
        Value::Null => {}
        Value::String(text) if path.is_empty() => found.push(text.clone()),
        scalar if path.is_empty() => found.push(scalar.to_string()),
        _ => {}
    }
}
