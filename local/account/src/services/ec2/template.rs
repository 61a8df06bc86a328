//! Launch templates and their versions, kept as sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::error::{invalid, missing};
use super::kind::LAUNCH_TEMPLATE;
use super::names::lower_first;
use super::paging::{paged, paged_within};
use super::tags;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Where versions stand, by `TEMPLATE/NUMBER`.
const VERSIONS: &str = "ec2/launch-template-version";
/// Largest user data, decoded.
const USER_DATA: usize = 16 << 10;

fn version_id(template: &str, number: i64) -> String {
    format!("{template}/{number:010}")
}

/// Turns `LaunchTemplateData` as sent into its shape in answers.
pub(super) fn shape(value: &Value, within: &str) -> Value {
    match value {
        Value::Object(members) => {
            let mut shaped = Map::new();
            for (name, member) in members {
                let answered = match (within, name.as_str()) {
                    ("NetworkInterface", "SecurityGroupId") => "groupSet".to_owned(),
                    (_, "LicenseSpecification") => "licenseSet".to_owned(),
                    (_, "InstanceRequirements" | "Placement") => lower_first(name),
                    _ if member.is_array() => format!("{}Set", lower_first(name)),
                    _ => lower_first(name),
                };
                shaped.insert(answered, shape(member, name));
            }
            Value::Object(shaped)
        }
        Value::Array(items) => items.iter().map(|item| shape(item, within)).collect(),
        scalar => scalar.clone(),
    }
}

fn data(request: &Request) -> Result<Value, AwsError> {
    let sent = request.input.member("LaunchTemplateData").filter(|data| data.is_object());
    let sent = sent.ok_or_else(|| missing("LaunchTemplateData"))?;
    if let Some(encoded) = sent.text("UserData").filter(|text| !text.is_empty()) {
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| AwsError::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."))?;
        if bytes.len() > USER_DATA {
            return Err(invalid("User data is limited to 16384 bytes"));
        }
    }
    if let Some(image) = sent.text("ImageId")
        && !image.starts_with("ami-")
        && !image.starts_with("resolve:ssm:")
    {
        return Err(AwsError::new(
            "InvalidAMIID.Malformed",
            format!("Invalid id: \"{image}\" (expecting \"ami-...\")"),
        ));
    }
    if sent.member("SecurityGroupId").is_some() && sent.member("NetworkInterface").is_some() {
        let message =
            "Network interfaces and an instance-level security groups may not be specified on the same request";
        return Err(AwsError::new("InvalidParameterCombination", message));
    }
    Ok(shape(sent, ""))
}

fn by_name(state: &State<'_>, name: &str) -> Option<Value> {
    let found = state.list(LAUNCH_TEMPLATE.collection).find(|(_, template)| template["launchTemplateName"] == name);
    found.map(|(_, template)| template.clone())
}

fn find(state: &State<'_>, id: Option<&str>, name: Option<&str>) -> Result<Value, AwsError> {
    match (id, name) {
        (Some(_), Some(_)) => {
            let message = "Either LaunchTemplateId or LaunchTemplateName must be specified, not both.";
            Err(AwsError::new("InvalidParameterCombination", message))
        }
        (Some(id), None) => {
            let found = state.get(LAUNCH_TEMPLATE.collection, id).cloned();
            found.ok_or_else(|| {
                let message = format!("The specified launch template, with template ID {id}, does not exist.");
                AwsError::new(LAUNCH_TEMPLATE.not_found, message)
            })
        }
        (None, Some(name)) => by_name(state, name).ok_or_else(|| {
            let message = format!("The specified launch template, with template name {name}, does not exist.");
            AwsError::new("InvalidLaunchTemplateName.NotFoundException", message)
        }),
        (None, None) => Err(missing("LaunchTemplateId or LaunchTemplateName")),
    }
}

fn named(state: &State<'_>, input: &Value) -> Result<Value, AwsError> {
    find(state, input.text("LaunchTemplateId"), input.text("LaunchTemplateName"))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.text("LaunchTemplateName").ok_or_else(|| missing("LaunchTemplateName"))?;
    let legal = |character: char| character.is_ascii_alphanumeric() || "().-/_".contains(character);
    if !(3..=128).contains(&name.len()) || !name.chars().all(legal) {
        let message = "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, \
                       and the following characters: - ( ) . / _.";
        return Err(AwsError::new("InvalidLaunchTemplateName.MalformedException", message));
    }
    let data = data(request)?;
    if by_name(state, name).is_some() {
        let message = "Launch template name already in use.";
        return Err(AwsError::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    let given = tags::specified(request, "launch-template")?;
    let document = json!({
        "launchTemplateId": ids::resource("lt"),
        "launchTemplateName": name,
        "createTime": clock::iso(state.now()),
        "createdBy": format!("arn:aws:iam::{}:root", request.account),
        "defaultVersionNumber": 1,
        "latestVersionNumber": 1,
    });
    let shown = LAUNCH_TEMPLATE.create(state, document, &given);
    put_version(state, request, &shown, 1, data);
    Ok(json!({ "launchTemplate": shown }))
}

fn put_version(state: &mut State<'_>, request: &Request, template: &Value, number: i64, data: Value) -> Value {
    let mut version = json!({
        "launchTemplateId": template["launchTemplateId"],
        "launchTemplateName": template["launchTemplateName"],
        "versionNumber": number,
        "createTime": clock::iso(state.now()),
        "createdBy": format!("arn:aws:iam::{}:root", request.account),
        "launchTemplateData": data,
    });
    if let Some(description) = request.input.text("VersionDescription") {
        version["versionDescription"] = json!(description);
    }
    let id = template.text("launchTemplateId").unwrap_or_default();
    state.put(VERSIONS, &version_id(id, number), &version);
    version
}

fn shown_version(template: &Value, version: &Value) -> Value {
    let mut shown = version.clone();
    shown["defaultVersion"] = json!(version["versionNumber"] == template["defaultVersionNumber"]);
    shown
}

/// Returns the version that a text names: a number, `$Latest`, `$Default`.
fn version(state: &State<'_>, template: &Value, named: &str) -> Result<Value, AwsError> {
    let number = match named {
        "$Latest" => template.number("latestVersionNumber"),
        "$Default" => template.number("defaultVersionNumber"),
        number => number.parse().ok(),
    };
    let id = template.text("launchTemplateId").unwrap_or_default();
    let found = number.and_then(|number| state.get(VERSIONS, &version_id(id, number)));
    found.map(|found| shown_version(template, found)).ok_or_else(|| {
        let message = format!("Could not find launch template version {named} for launch template {id}.");
        AwsError::new("InvalidLaunchTemplateId.VersionNotFound", message)
    })
}

/// Returns the version that a specification (`LaunchTemplateId` or `LaunchTemplateName`, `Version`) points at.
pub(crate) fn resolve(state: &State<'_>, specification: &Value) -> Result<Value, AwsError> {
    let template = named(state, specification)?;
    version(state, &template, specification.text("Version").unwrap_or("$Default"))
}

pub(super) fn create_version(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut template = named(state, &request.input)?;
    let mut made = data(request)?;
    if let Some(source) = request.input.text("SourceVersion") {
        let mut base = version(state, &template, source)?["launchTemplateData"].clone();
        if let (Some(base), Some(made)) = (base.as_object_mut(), made.as_object()) {
            base.extend(made.clone());
        }
        made = base;
    }
    let number = template.number("_highest").or_else(|| template.number("latestVersionNumber")).unwrap_or_default() + 1;
    template["latestVersionNumber"] = json!(number);
    template["_highest"] = json!(number);
    let id = template.text("launchTemplateId").unwrap_or_default().to_owned();
    let version = put_version(state, request, &template, number, made);
    state.put(LAUNCH_TEMPLATE.collection, &id, &template);
    Ok(json!({ "launchTemplateVersion": shown_version(&template, &version) }))
}

pub(super) fn modify(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut template = named(state, &request.input)?;
    if let Some(named) = request.input.text("SetDefaultVersion") {
        let number = version(state, &template, named)?["versionNumber"].clone();
        template["defaultVersionNumber"] = number;
        let id = template.text("launchTemplateId").unwrap_or_default().to_owned();
        state.put(LAUNCH_TEMPLATE.collection, &id, &template);
    }
    Ok(json!({ "launchTemplate": LAUNCH_TEMPLATE.render(state, &template) }))
}

fn versions(state: &State<'_>, template: &Value) -> Vec<Value> {
    let prefix = format!("{}/", template.text("launchTemplateId").unwrap_or_default());
    let own = state.list(VERSIONS).filter(|(id, _)| id.starts_with(&prefix));
    own.map(|(_, version)| shown_version(template, version)).collect()
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let template = named(state, &request.input)?;
    let id = template.text("launchTemplateId").unwrap_or_default();
    for version in versions(state, &template) {
        state.remove(VERSIONS, &version_id(id, version.number("versionNumber").unwrap_or_default()));
    }
    let shown = LAUNCH_TEMPLATE.render(state, &template);
    LAUNCH_TEMPLATE.delete(state, id);
    Ok(json!({ "launchTemplate": shown }))
}

pub(super) fn delete_versions(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let mut template = named(state, &request.input)?;
    let id = template.text("launchTemplateId").unwrap_or_default().to_owned();
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    for named in request.input.texts("LaunchTemplateVersion") {
        let number: Option<i64> = named.parse().ok();
        let found = number.and_then(|number| state.get(VERSIONS, &version_id(&id, number)).cloned());
        let entry = json!({
            "launchTemplateId": id,
            "launchTemplateName": template["launchTemplateName"],
            "versionNumber": number,
        });
        let refusal = match &found {
            None => Some(("launchTemplateVersionDoesNotExist", "The version does not exist.")),
            Some(version) if version["versionNumber"] == template["defaultVersionNumber"] => {
                Some(("unexpectedError", "The default version cannot be deleted."))
            }
            Some(_) => None,
        };
        match refusal {
            None => {
                state.remove(VERSIONS, &version_id(&id, number.unwrap_or_default()));
                gone.push(entry);
            }
            Some((code, message)) => {
                let mut entry = entry;
                entry["responseError"] = json!({ "code": code, "message": message });
                kept.push(entry);
            }
        }
    }
    let latest = versions(state, &template).iter().filter_map(|version| version.number("versionNumber")).max();
    // Numbers are never given twice, even when the latest version is deleted.
    if template.member("_highest").is_none() {
        template["_highest"] = template["latestVersionNumber"].clone();
    }
    template["latestVersionNumber"] = json!(latest.unwrap_or(1));
    state.put(LAUNCH_TEMPLATE.collection, &id, &template);
    Ok(json!({
        "successfullyDeletedLaunchTemplateVersionSet": gone,
        "unsuccessfullyDeletedLaunchTemplateVersionSet": kept,
    }))
}

pub(super) fn describe(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let names = request.input.texts("LaunchTemplateName");
    for name in &names {
        if by_name(state, name).is_none() {
            let message = "At least one of the launch templates specified in the request does not exist.";
            return Err(AwsError::new("InvalidLaunchTemplateName.NotFoundException", message));
        }
    }
    let mut found = LAUNCH_TEMPLATE.find(state, request)?;
    if !names.is_empty() {
        found.retain(|template| {
            template.text("launchTemplateName").is_some_and(|name| names.iter().any(|it| it == name))
        });
    }
    let (templates, next) = paged(request, found)?;
    let mut answer = json!({ "launchTemplates": templates });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn describe_versions(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let wanted = input.texts("LaunchTemplateVersion");
    let every = input.text("LaunchTemplateId").is_none() && input.text("LaunchTemplateName").is_none();
    let templates: Vec<Value> = if every {
        if wanted.is_empty() || wanted.iter().any(|version| !["$Default", "$Latest"].contains(&version.as_str())) {
            return Err(missing("LaunchTemplateId or LaunchTemplateName"));
        }
        state.list(LAUNCH_TEMPLATE.collection).map(|(_, template)| template.clone()).collect()
    } else {
        vec![named(state, input)?]
    };
    let mut all = Vec::new();
    for template in &templates {
        if wanted.is_empty() {
            let (least, most) =
                (input.number("MinVersion").unwrap_or(1), input.number("MaxVersion").unwrap_or(i64::MAX));
            let number = |version: &Value| version.number("versionNumber").unwrap_or_default();
            let mut own = versions(state, template);
            own.retain(|version| (least..=most).contains(&number(version)));
            own.sort_by_key(|version| std::cmp::Reverse(number(version)));
            all.extend(own);
        }
        for named in &wanted {
            all.push(version(state, template, named)?);
        }
    }
    let (versions, next) = paged_within(request, all, 1..=200)?;
    let mut answer = json!({ "launchTemplateVersionSet": versions });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}
