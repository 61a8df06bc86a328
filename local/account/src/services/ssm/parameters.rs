//! Parameters of the account, each with its newest version, and the public ones that name machine images.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tags;
use super::{invalid, missing};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::request::Request;
use crate::state::State;

pub(super) const PARAMETERS: &str = "ssm/parameter";
/// How many levels the path of a name has at most.
const LEVELS: usize = 15;
/// How many characters a name has at most, its ARN counted in.
const NAMED: usize = 1011;
/// How many bytes a standard parameter holds, and an advanced one.
const STANDARD: usize = 4096;
const ADVANCED: usize = 8192;

/// A parameter.
#[derive(Debug, Serialize, Deserialize)]
struct Parameter {
    value: String,
    #[serde(rename = "type")]
    kind: String,
    description: Option<String>,
    tier: String,
    allowed_pattern: Option<String>,
    data_type: String,
    version: i64,
    modified: i64,
}

impl Parameter {
    fn shown(&self, request: &Request, name: &str) -> Value {
        json!({
            "Name": name, "Type": self.kind, "Value": self.value, "Version": self.version, "DataType": self.data_type,
            "LastModifiedDate": clock::epoch(self.modified), "ARN": arn(request, name),
        })
    }

    /// What [`describe`] says of it: all but its value.
    fn described(&self, request: &Request, name: &str) -> Value {
        let mut described = json!({
            "Name": name, "ARN": arn(request, name), "Type": self.kind, "Version": self.version, "Tier": self.tier,
            "DataType": self.data_type, "LastModifiedDate": clock::epoch(self.modified), "Policies": [],
            "LastModifiedUser": format!("arn:aws:iam::{}:root", request.account),
        });
        let others = [("Description", &self.description), ("AllowedPattern", &self.allowed_pattern)];
        for (member, text) in others {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                described[member] = text.into();
            }
        }
        described
    }
}

pub(super) fn arn(request: &Request, name: &str) -> String {
    request.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')))
}

fn not_found() -> AwsError {
    AwsError::new("ParameterNotFound", "")
}

/// Refuses what is no name of an account's own parameter.
fn judge_name(request: &Request, name: &str) -> Result<(), AwsError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) || name.contains("//") || name.ends_with('/') {
        let message = "Parameter name must be a fully qualified name. Only a mix of letters, numbers and the following 3 \
                       symbols .-_ are allowed.";
        return Err(invalid(message));
    }
    let path = name.strip_prefix('/').unwrap_or(name);
    if path.contains('/') && path.len() == name.len() {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if path.split('/').count() > LEVELS {
        let message = format!("Parameter Store supports up to {LEVELS} hierarchical levels.");
        return Err(AwsError::new("HierarchyLevelLimitExceededException", message));
    }
    let begin = path.get(..3).unwrap_or_default().to_ascii_lowercase();
    if begin == "aws" {
        return Err(AwsError::new("AccessDeniedException", format!("No access to reserved parameter name: {name}.")));
    }
    if begin == "ssm" || arn(request, name).len() > NAMED {
        let message =
            format!("Parameter name: can't be prefixed with \"ssm\" (case-insensitive), nor be longer than {NAMED}.");
        return Err(invalid(message));
    }
    Ok(())
}

/// Refuses what the tier doesn't hold, and what no value is.
fn judge_value(value: &str, tier: &str) -> Result<(), AwsError> {
    let most = if tier == "Advanced" { ADVANCED } else { STANDARD };
    if value.is_empty() {
        return Err(invalid(
            "Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.",
        ));
    }
    if value.len() > most {
        let message = format!("{tier} tier parameters support a maximum parameter value of {most} characters.");
        return Err(invalid(message));
    }
    if value.find("{{").is_some_and(|at| value[at..].contains("}}")) {
        return Err(invalid(format!("Parameter value: {value}, can't contain a nested parameter.")));
    }
    Ok(())
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let name = input.need("Name", missing)?;
    judge_name(request, name)?;
    let (tags, overwrites) = (tags::given(request)?, input.flag("Overwrite") == Some(true));
    if overwrites && !tags.is_empty() {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
             overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    let before = state.read::<Parameter>(PARAMETERS, name);
    if before.is_some() && !overwrites {
        let message =
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(AwsError::new("ParameterAlreadyExists", message));
    }
    let parameter = written(request, before.as_ref(), state.now())?;
    if before.is_none() {
        state.set_tags(&arn(request, name), &tags);
    }
    state.put(PARAMETERS, name, &parameter);
    Ok(json!({ "Version": parameter.version, "Tier": parameter.tier }))
}

/// What the input makes of a parameter: members that it doesn't name stay as they were.
fn written(request: &Request, before: Option<&Parameter>, now: i64) -> Result<Parameter, AwsError> {
    let input = &request.input;
    let text = |name: &str| input.text(name).map(str::to_owned);
    let kind = text("Type").or(before.map(|before| before.kind.clone()));
    let kind = kind.ok_or_else(|| invalid("A parameter type is required when you create a parameter."))?;
    if !["String", "StringList"].contains(&kind.as_str()) {
        return Err(AwsError::new("UnsupportedParameterType", format!("the local account has no {kind} parameters")));
    }
    if before.is_some_and(|before| before.kind != kind) {
        let message = "Parameter Store doesn't support changing a parameter type in a hierarchy.";
        return Err(AwsError::new("HierarchyTypeMismatchException", message));
    }
    let asked = text("Tier");
    let was_advanced = before.is_some_and(|before| before.tier == "Advanced");
    let value = input.need("Value", missing)?;
    let tier = match asked.as_deref() {
        Some("Standard") if was_advanced => {
            let message = "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                           advanced-parameter tier to the standard-parameter tier.";
            return Err(invalid(message));
        }
        Some("Intelligent-Tiering") if value.len() > STANDARD => "Advanced",
        Some("Advanced") => "Advanced",
        None | Some("Intelligent-Tiering") if was_advanced => "Advanced",
        None | Some("Standard" | "Intelligent-Tiering") => "Standard",
        Some(other) => return Err(invalid(format!("Value '{other}' at 'tier' is none of the tiers"))),
    };
    judge_value(value, tier)?;
    Ok(Parameter {
        value: value.to_owned(),
        kind,
        description: text("Description").or_else(|| before.and_then(|before| before.description.clone())),
        tier: tier.to_owned(),
        allowed_pattern: text("AllowedPattern").or_else(|| before.and_then(|before| before.allowed_pattern.clone())),
        data_type: text("DataType")
            .or(before.map(|before| before.data_type.clone()))
            .unwrap_or_else(|| "text".to_owned()),
        version: before.map_or(1, |before| before.version + 1),
        modified: now,
    })
}

/// What answers say of a parameter that is asked for by its name, or its ARN, with its newest version behind a colon or none.
fn found(state: &State<'_>, request: &Request, asked: &str) -> Option<Value> {
    let given = match asked.split_once(":parameter/") {
        Some((_, path)) if path.contains('/') => format!("/{path}"),
        Some((_, name)) => name.to_owned(),
        None => asked.to_owned(),
    };
    let (name, version) = given.split_once(':').map_or((given.as_str(), None), |(name, version)| (name, Some(version)));
    if let Some(image) = public(request, name) {
        return Some(image);
    }
    let parameter = state.read::<Parameter>(PARAMETERS, name)?;
    let is_asked = version.is_none_or(|version| version.parse() == Ok(parameter.version));
    is_asked.then(|| parameter.shown(request, name))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("Name", missing)?;
    let parameter = found(state, request, name).ok_or_else(not_found)?;
    Ok(json!({ "Parameter": parameter }))
}

pub(super) fn get_several(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("Names");
    if names.is_empty() || names.len() > 10 {
        return Err(invalid("Value at 'names' must have between 1 and 10 members"));
    }
    let (mut parameters, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match found(state, request, &name) {
            Some(parameter) => parameters.push(parameter),
            None => unknown.push(name),
        }
    }
    Ok(json!({ "Parameters": parameters, "InvalidParameters": unknown }))
}

pub(super) fn get_by_path(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let path = request.input.need("Path", missing)?;
    if !path.starts_with('/') {
        return Err(invalid("The parameter doesn't meet the parameter name requirements: a path begins with \"/\"."));
    }
    let below = format!("{}/", path.trim_end_matches('/'));
    let is_deep = request.input.flag("Recursive") == Some(true);
    let is_asked = |name: &str| name.strip_prefix(&below).is_some_and(|rest| is_deep || !rest.contains('/'));
    let images = IMAGES.iter().filter(|name| name.starts_with(path)).filter_map(|name| public(request, name));
    let own = state.list(PARAMETERS).filter(|(name, _)| is_asked(name));
    let own = own.filter_map(|(name, stored)| Some(Parameter::deserialize(stored).ok()?.shown(request, name)));
    listed(request, "Parameters", images.chain(own).collect(), 10)
}

/// A page of what an operation lists.
fn listed(request: &Request, member: &str, all: Vec<Value>, most: usize) -> Result<Value, AwsError> {
    let limit = request.input.number("MaxResults").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(invalid(format!("Value at 'maxResults' must be between 1 and {most}")));
    }
    let wrong = || AwsError::new("InvalidNextToken", "The specified token isn't valid.");
    let (page, next) = pages::page(all, request.input.text("NextToken"), limit, wrong)?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let filters = request.input.list("ParameterFilters");
    let mut described = Vec::new();
    for (name, stored) in state.list(PARAMETERS) {
        let Ok(parameter) = Parameter::deserialize(stored) else { continue };
        let mut is_asked = true;
        for filter in filters {
            is_asked &= takes(filter, name, &parameter)?;
        }
        if is_asked {
            described.push(parameter.described(request, name));
        }
    }
    listed(request, "Parameters", described, 50)
}

/// Whether a filter takes a parameter.
fn takes(filter: &Value, name: &str, parameter: &Parameter) -> Result<bool, AwsError> {
    let key = filter.need("Key", missing)?;
    let member: &str = match key {
        "Name" => name,
        "Type" => &parameter.kind,
        "Tier" => &parameter.tier,
        "DataType" => &parameter.data_type,
        _ => return Err(AwsError::new("InvalidFilterKey", format!("the local account has no filter {key}"))),
    };
    let values = filter.texts("Values");
    match filter.text("Option").unwrap_or("Equals") {
        "Equals" => Ok(values.iter().any(|value| value == member)),
        "BeginsWith" => Ok(values.iter().any(|value| member.starts_with(value))),
        "Contains" if key == "Name" => Ok(values.iter().any(|value| member.contains(value))),
        other => Err(AwsError::new("InvalidFilterOption", format!("The specified filter option {other} isn't valid."))),
    }
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("Name", missing)?;
    state.remove(PARAMETERS, name).ok_or_else(not_found)?;
    state.forget_tags(&arn(request, name));
    Ok(json!({}))
}

/// Public parameters whose value is an image id.
const IMAGES: [&str; 10] = [
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64",
    "/aws/service/debian/release/12/latest/amd64",
    "/aws/service/debian/release/12/latest/arm64",
    "/aws/service/debian/release/13/latest/amd64",
    "/aws/service/debian/release/13/latest/arm64",
];

/// The image that a public parameter names in a region; the same one whenever it is asked for.
pub fn image(region: &str, name: &str) -> Option<String> {
    IMAGES.contains(&name).then(|| {
        let digest = hex::encode(Sha256::digest(format!("{region}{name}")));
        format!("ami-0{}", &digest[..16])
    })
}

fn public(request: &Request, name: &str) -> Option<Value> {
    let value = image(&request.region, name)?;
    Some(json!({
        "Name": name, "Type": "String", "Value": value, "Version": 1, "DataType": "aws:ec2:image",
        "LastModifiedDate": clock::epoch(1_767_225_600_000),
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", request.region),
    }))
}
