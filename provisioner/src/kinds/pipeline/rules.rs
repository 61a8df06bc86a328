//! What CodePipeline refuses of stages and actions.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::{Action, Category, Stage};
use crate::kind::Clash;

const ONE_NAME: &str = "have one name, by which CodePipeline distinguishes them";

/// Returns an error for stages that make no pipeline.
pub(super) fn check(stages: &[Stage]) -> Result<()> {
    if stages.len() < 2 {
        bail!("a pipeline has two stages at least: one with the sources, and one that does something with them");
    }
    Clash::within("stages", stages, |one, other| one.name == other.name, ONE_NAME)?;
    let mut made: BTreeSet<&str> = BTreeSet::new();
    for (index, stage) in stages.iter().enumerate() {
        let place = format!("stages[{index}].actions");
        Clash::within(&place, &stage.actions, |one, other| one.name == other.name, ONE_NAME)?;
        if stage.actions.is_empty() {
            bail!("the stage {} does nothing; give it an action", stage.name);
        }
        for action in &stage.actions {
            let Action { name, category, .. } = action;
            if (index == 0) != (*category == Category::Source) {
                bail!("{name}: the first stage, and it alone, holds the sources");
            }
            if let Some(input) = action.inputs.iter().find(|input| !made.contains(input.as_str())) {
                bail!("{name}: no action before it makes the artifact {input}");
            }
            let mut settings = action.configuration.iter();
            if let Some((key, _)) = settings.find(|(_, value)| value.is_empty() || value.len() > 1000) {
                bail!("{name}: the setting {key} must have 1 to 1000 characters");
            }
            if let Some(output) = action.outputs.iter().find(|output| made.contains(output.as_str())) {
                bail!("{name}: the artifact {output} is made before already");
            }
            made.extend(action.outputs.iter().map(String::as_str));
        }
    }
    Ok(())
}
