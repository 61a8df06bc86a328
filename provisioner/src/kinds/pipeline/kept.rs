//! What an update of a pipeline keeps: CodePipeline takes it whole, and what no spec says of it stays as somebody made it.

use aws_sdk_codepipeline::types::{
    ActionDeclaration, PipelineDeclaration, PipelineTriggerDeclaration, StageDeclaration,
};

/// Completes a pipeline with what somebody added to it, to its stages and to its actions.
pub(super) fn keep(new: &mut PipelineDeclaration, live: &PipelineDeclaration) {
    new.variables.clone_from(&live.variables);
    for stage in &mut new.stages {
        if let Some(live) = live.stages().iter().find(|live| live.name == stage.name) {
            keep_stage(stage, live);
        }
    }
    // One of an action that is there no more has nothing to start.
    let sources: Vec<&str> =
        new.stages().iter().flat_map(StageDeclaration::actions).map(ActionDeclaration::name).collect();
    let stays = |trigger: &&PipelineTriggerDeclaration| {
        trigger.git_configuration().is_none_or(|git| sources.contains(&git.source_action_name()))
    };
    let triggers: Vec<_> = live.triggers().iter().filter(stays).cloned().collect();
    new.triggers = Some(triggers).filter(|triggers| !triggers.is_empty());
}

fn keep_stage(new: &mut StageDeclaration, live: &StageDeclaration) {
    new.blockers.clone_from(&live.blockers);
    new.before_entry.clone_from(&live.before_entry);
    new.on_success.clone_from(&live.on_success);
    new.on_failure.clone_from(&live.on_failure);
    for action in &mut new.actions {
        let same = |live: &&ActionDeclaration| live.name == action.name && live.action_type_id == action.action_type_id;
        if let Some(live) = live.actions().iter().find(same) {
            keep_action(action, live);
        }
    }
}

fn keep_action(new: &mut ActionDeclaration, live: &ActionDeclaration) {
    new.timeout_in_minutes = live.timeout_in_minutes;
    new.commands.clone_from(&live.commands);
    new.output_variables.clone_from(&live.output_variables);
    new.environment_variables.clone_from(&live.environment_variables);
    for output in new.output_artifacts.iter_mut().flatten() {
        if let Some(live) = live.output_artifacts().iter().find(|live| live.name == output.name) {
            output.files.clone_from(&live.files);
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_codepipeline::types::{
        ActionCategory, ActionOwner, ActionTypeId, FailureConditions, GitConfiguration, PipelineTriggerProviderType,
        PipelineVariableDeclaration, StageRetryMode,
    };

    use super::*;

    fn action(name: &str) -> ActionDeclaration {
        let kind = ActionTypeId::builder().category(ActionCategory::Build).owner(ActionOwner::Aws);
        let kind = kind.provider("CodeBuild").version("1").build().expect("a type");
        ActionDeclaration::builder().name(name).action_type_id(kind).build().expect("an action")
    }

    fn pipeline(actions: &[ActionDeclaration]) -> PipelineDeclaration {
        let stage = StageDeclaration::builder().name("Build").set_actions(Some(actions.to_vec()));
        let pipeline = PipelineDeclaration::builder().name("p").role_arn("arn:aws:iam::123456789012:role/p");
        pipeline.stages(stage.build().expect("a stage")).build().expect("a pipeline")
    }

    fn trigger(action: &str) -> PipelineTriggerDeclaration {
        let git = GitConfiguration::builder().source_action_name(action).build().expect("an action");
        let trigger = PipelineTriggerDeclaration::builder().git_configuration(git);
        let provider = PipelineTriggerProviderType::CodeStarSourceConnection;
        trigger.provider_type(provider).build().expect("a provider")
    }

    #[test]
    fn what_somebody_added_stays() {
        let (mut first, mut gone) = (action("Compile"), action("Lint"));
        (first.timeout_in_minutes, gone.timeout_in_minutes) = (Some(15), Some(20));
        let mut live = pipeline(&[first, gone]);
        live.variables = Some(vec![PipelineVariableDeclaration::builder().name("tag").build().expect("a name")]);
        live.triggers = Some(vec![trigger("Compile"), trigger("Lint")]);
        live.stages[0].on_failure = Some(
            FailureConditions::builder()
                .retry_configuration(
                    aws_sdk_codepipeline::types::RetryConfiguration::builder()
                        .retry_mode(StageRetryMode::FailedActions)
                        .build(),
                )
                .build(),
        );
        let mut new = pipeline(&[action("Compile"), action("Test")]);
        keep(&mut new, &live);
        assert_eq!(new.variables, live.variables);
        assert_eq!(new.triggers(), [trigger("Compile")]);
        assert_eq!(new.stages[0].on_failure, live.stages[0].on_failure);
        let timeouts: Vec<_> = new.stages[0].actions.iter().map(|action| action.timeout_in_minutes).collect();
        assert_eq!(timeouts, [Some(15), None]);
    }
}
