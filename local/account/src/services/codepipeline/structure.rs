//! A pipeline's structure, held against the rules of CodePipeline.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{invalid, missing};
use crate::error::AwsError;
use crate::fields::Fields;

const CATEGORIES: [&str; 7] = ["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"];

const PIPELINE: [&str; 9] =
    ["name", "roleArn", "artifactStore", "stages", "version", "executionMode", "pipelineType", "variables", "triggers"];
const ACTION: [&str; 10] = [
    "name",
    "actionTypeId",
    "runOrder",
    "configuration",
    "outputArtifacts",
    "inputArtifacts",
    "roleArn",
    "region",
    "namespace",
    "timeoutInMinutes",
];

fn broken(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidStructureException", message)
}

fn bad_stage(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidStageDeclarationException", message)
}

fn bad_action(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidActionDeclarationException", message)
}

fn legal_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    (1..=100).contains(&name.len()) && name.chars().all(legal)
}

fn only(value: &Value, known: &[&str], what: &str) -> Result<(), AwsError> {
    let unknown = value.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    match unknown {
        Some((name, _)) => Err(AwsError::new("SerializationException", format!("{what} has no member {name}"))),
        None => Ok(()),
    }
}

/// Refuses what CodePipeline refuses.
pub(super) fn check(pipeline: &Value) -> Result<(), AwsError> {
    only(pipeline, &PIPELINE, "a pipeline")?;
    let name = pipeline.need("name", missing)?;
    if !legal_name(name) {
        return Err(invalid(format!(
            "Value '{name}' at 'pipeline.name' failed to satisfy constraint: [A-Za-z0-9.@\\-_]+"
        )));
    }
    pipeline.need("roleArn", missing)?;
    let store = pipeline.member("artifactStore").ok_or_else(|| broken("Pipeline has no artifact store"))?;
    if store.text("type") != Some("S3") || store.text("location").is_none_or(|bucket| bucket.len() < 3) {
        return Err(broken("Artifact store must be an S3 bucket"));
    }
    if !["V1", "V2"].contains(&pipeline.text("pipelineType").unwrap_or("V1")) {
        return Err(invalid("Value at 'pipeline.pipelineType' failed to satisfy enum value set: [V1, V2]"));
    }
    let stages = pipeline.list("stages");
    if stages.len() < 2 {
        return Err(broken("Pipeline has less than 2 stage(s). There should be a minimum of 2 stages in a pipeline"));
    }
    let mut names = BTreeSet::new();
    let mut made = BTreeSet::new();
    for (index, stage) in stages.iter().enumerate() {
        let stage_name = stage.need("name", missing)?;
        if !legal_name(stage_name) || !names.insert(stage_name) {
            return Err(bad_stage(format!("Stage name {stage_name} is not valid or stands there twice")));
        }
        check_stage(stage, index == 0, &mut made)?;
    }
    Ok(())
}

fn check_stage(stage: &Value, first: bool, made: &mut BTreeSet<String>) -> Result<(), AwsError> {
    let actions = stage.list("actions");
    let stage_name = stage.text("name").unwrap_or_default();
    if actions.is_empty() {
        return Err(bad_stage(format!("Stage {stage_name} has no actions")));
    }
    let mut names = BTreeSet::new();
    let mut made_here = BTreeSet::new();
    for action in actions {
        only(action, &ACTION, "an action")?;
        let name = action.need("name", missing)?;
        if !legal_name(name) || !names.insert(name) {
            return Err(bad_action(format!("Action name {name} is not valid or stands there twice")));
        }
        let kind = action.member("actionTypeId").ok_or_else(|| missing("actionTypeId"))?;
        let category = kind.text("category").unwrap_or_default();
        let owned = ["AWS", "ThirdParty", "Custom"].contains(&kind.text("owner").unwrap_or_default());
        if !CATEGORIES.contains(&category)
            || !owned
            || kind.text("provider").is_none()
            || kind.text("version").is_none()
        {
            return Err(invalid(format!("the type of action {name} is not valid")));
        }
        if first != (category == "Source") {
            let message =
                "Pipeline should start with a stage that only contains source actions, and have them nowhere else";
            return Err(broken(message));
        }
        for (key, value) in action["configuration"].as_object().into_iter().flatten() {
            if value.as_str().is_none_or(|value| value.is_empty() || value.len() > 1000) || key.len() > 50 {
                return Err(bad_action(format!("Action configuration {key} of {name} is not valid")));
            }
        }
        let order = action.number("runOrder").unwrap_or(1);
        if !(1..=999).contains(&order) {
            return Err(invalid("Value at 'runOrder' failed to satisfy constraint: between 1 and 999"));
        }
        check_configuration(action, name, kind.text("provider").unwrap_or_default())?;
        for artifact in action.list("inputArtifacts") {
            let artifact = artifact.need("name", missing)?;
            if !made.contains(artifact) && !made_here.contains(artifact) {
                return Err(broken(format!(
                    "Input Artifact Bundle {artifact} in action {name} is not declared as Output Artifact in any of the preceding actions"
                )));
            }
        }
        for artifact in action.list("outputArtifacts") {
            let artifact = artifact.need("name", missing)?;
            if made.contains(artifact) || !made_here.insert(artifact.to_owned()) {
                return Err(broken(format!(
                    "Output Artifact Bundle name must be unique within the pipeline: {artifact}"
                )));
            }
        }
    }
    made.append(&mut made_here);
    Ok(())
}

/// What the actions that this account knows must be given.
fn check_configuration(action: &Value, name: &str, provider: &str) -> Result<(), AwsError> {
    let needed: &[&str] = match provider {
        "CodeStarSourceConnection" => &["ConnectionArn", "FullRepositoryId", "BranchName"],
        "CodeBuild" => &["ProjectName"],
        _ => &[],
    };
    let lacks = needed.iter().find(|key| action["configuration"].text(key).is_none());
    if let Some(lacks) = lacks {
        return Err(bad_action(format!(
            "Action configuration for action '{name}' is missing required configuration '{lacks}'"
        )));
    }
    let (inputs, outputs) = (action.list("inputArtifacts").len(), action.list("outputArtifacts").len());
    let fits = match provider {
        "CodeStarSourceConnection" => inputs == 0 && outputs == 1,
        "CodeBuild" => (1..=5).contains(&inputs) && outputs <= 5,
        "Manual" => inputs == 0 && outputs == 0,
        _ => true,
    };
    if !fits {
        return Err(bad_action(format!("Action '{name}' has an invalid number of artifacts")));
    }
    if provider == "CodeBuild" && inputs > 1 && action["configuration"].text("PrimarySource").is_none() {
        return Err(bad_action(format!("Action configuration for action '{name}' is missing 'PrimarySource'")));
    }
    Ok(())
}

/// Writes out what AWS answers where nothing was said.
pub(super) fn complete(pipeline: &mut Value) {
    for (member, default) in [("executionMode", "SUPERSEDED"), ("pipelineType", "V1")] {
        if pipeline.text(member).is_none() {
            pipeline[member] = json!(default);
        }
    }
    for stage in pipeline["stages"].as_array_mut().into_iter().flatten() {
        for action in stage["actions"].as_array_mut().into_iter().flatten() {
            if action.number("runOrder").is_none() {
                action["runOrder"] = json!(1);
            }
            for (member, default) in
                [("configuration", json!({})), ("inputArtifacts", json!([])), ("outputArtifacts", json!([]))]
            {
                if action.member(member).is_none() {
                    action[member] = default;
                }
            }
        }
    }
}
