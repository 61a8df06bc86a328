//! A pipeline as CodePipeline's API has it.

use anyhow::Result;
use aws_sdk_codepipeline::types::{
    ActionDeclaration, ActionTypeId, ArtifactStore, ArtifactStoreType, EncryptionKey, EncryptionKeyType, ExecutionMode,
    InputArtifact, OutputArtifact, PipelineDeclaration, PipelineType, StageDeclaration,
};
use lakewright_aws::{Error, Needed as _};
use serde_json::Value;

use super::{Action, Spec, Stage, one};
use crate::kind::Departure;
use crate::kinds::values::{BucketName, KeyId};

const SERVICE: &str = "codepipeline";

/// The pipeline that a spec means.
pub(super) fn pipeline_of(spec: &Spec) -> Result<PipelineDeclaration> {
    let key = |key: &KeyId| EncryptionKey::builder().id(key.as_str()).r#type(EncryptionKeyType::Kms).build();
    let store = ArtifactStore::builder()
        .r#type(ArtifactStoreType::S3)
        .location(spec.bucket.as_str())
        .set_encryption_key(spec.key.as_ref().map(key).transpose()?);
    let pipeline = PipelineDeclaration::builder()
        .name(spec.name.as_str())
        .role_arn(spec.role.as_str())
        .artifact_store(store.build()?)
        .set_stages(Some(spec.stages.iter().map(declared_stage).collect::<Result<_>>()?))
        .pipeline_type(PipelineType::V2)
        .execution_mode(ExecutionMode::Superseded);
    Ok(pipeline.build()?)
}

fn declared_stage(stage: &Stage) -> Result<StageDeclaration> {
    let actions = stage.actions.iter().map(declared_action).collect::<Result<_>>()?;
    Ok(StageDeclaration::builder().name(stage.name.as_str()).set_actions(Some(actions)).build()?)
}

fn declared_action(action: &Action) -> Result<ActionDeclaration> {
    let kind = ActionTypeId::builder()
        .category((&action.category).into())
        .owner(action.owner.as_str().into())
        .provider(&action.provider)
        .version(&action.version);
    let configuration = action.configuration.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let inputs = action.inputs.iter().map(|name| InputArtifact::builder().name(name).build());
    let outputs = action.outputs.iter().map(|name| OutputArtifact::builder().name(name).build());
    let action = ActionDeclaration::builder()
        .name(action.name.as_str())
        .action_type_id(kind.build()?)
        .run_order(i32::try_from(action.order)?)
        .set_namespace(action.namespace.clone())
        .set_configuration(Some(configuration))
        .set_input_artifacts(Some(inputs.collect::<Result<_, _>>()?))
        .set_output_artifacts(Some(outputs.collect::<Result<_, _>>()?));
    Ok(action.build()?)
}

/// What of a pipeline is otherwise than in all that are made here.
pub(super) fn departures(pipeline: &PipelineDeclaration, region: &str) -> Vec<Departure> {
    // A pipeline without a type is one of the first.
    let (kind, mode) = (PipelineType::V2, ExecutionMode::Superseded);
    let pipeline_type = pipeline.pipeline_type().unwrap_or(&PipelineType::V1).as_str();
    let mut all = vec![
        Departure::of("pipeline_type", pipeline_type, kind.as_str()),
        Departure::of("execution_mode", pipeline.execution_mode().unwrap_or(&mode).as_str(), mode.as_str()),
    ];
    // What an action has that the update of a pipeline isn't given goes away.
    for stage in pipeline.stages() {
        for action in stage.actions() {
            let path = |member: &str| format!("stages.{}.{}.{member}", stage.name(), action.name());
            all.push(Departure::of(path("role"), action.role_arn(), Value::Null));
            all.push(Departure::of(path("region"), action.region().filter(|other| *other != region), Value::Null));
        }
    }
    all.into_iter().flatten().collect()
}

/// The spec of a pipeline that exists.
pub(super) fn spec_of(pipeline: &PipelineDeclaration) -> Result<Spec> {
    let store = pipeline.artifact_store();
    let key = store.and_then(|store| store.encryption_key());
    Ok(Spec {
        name: pipeline.name().needed(SERVICE, "PipelineDeclaration.name")?.into(),
        role: pipeline.role_arn().needed(SERVICE, "PipelineDeclaration.roleArn")?.into(),
        // One that hands on across regions has a map of stores in place of the one store.
        bucket: store
            .map(|store| store.location().needed(SERVICE, "ArtifactStore.location"))
            .transpose()?
            .map(BucketName::from)
            .unwrap_or_default(),
        key: key.map(|key| key.id().needed(SERVICE, "EncryptionKey.id")).transpose()?.map(KeyId::from),
        stages: pipeline.stages().iter().map(stage_of).collect::<Result<_>>()?,
    })
}

fn stage_of(stage: &StageDeclaration) -> Result<Stage> {
    Ok(Stage {
        name: stage.name().needed(SERVICE, "StageDeclaration.name")?.into(),
        actions: stage.actions().iter().map(action_of).collect::<Result<_>>()?,
    })
}

fn action_of(action: &ActionDeclaration) -> Result<Action> {
    let kind = action.action_type_id().needed(SERVICE, "ActionDeclaration.actionTypeId")?;
    let artifact = |name: &str, member: &str| Ok::<_, Error>(name.needed(SERVICE, member)?.to_owned());
    let inputs = action.input_artifacts().iter().map(|input| artifact(input.name(), "InputArtifact.name"));
    let outputs = action.output_artifacts().iter().map(|output| artifact(output.name(), "OutputArtifact.name"));
    let configuration = action.configuration().into_iter().flatten();
    // An action without an order is among the stage's first.
    let order = action.run_order().map_or(Ok(one()), u32::try_from)?;
    Ok(Action {
        name: action.name().needed(SERVICE, "ActionDeclaration.name")?.into(),
        category: kind.category().into(),
        owner: kind.owner().to_string(),
        provider: kind.provider().needed(SERVICE, "ActionTypeId.provider")?.to_owned(),
        version: kind.version().needed(SERVICE, "ActionTypeId.version")?.to_owned(),
        configuration: configuration.map(|(key, value)| (key.clone(), value.clone())).collect(),
        inputs: inputs.collect::<Result<_, _>>()?,
        outputs: outputs.collect::<Result<_, _>>()?,
        order: order.max(1),
        namespace: action.namespace().map(str::to_owned),
    })
}
