//! An application as EMR Serverless's API has it.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_emrserverless::types::{
    Application, ApplicationState, AutoStartConfig, AutoStopConfig, ImageConfiguration, ImageConfigurationInput,
    MaximumAllowedResources, NetworkConfiguration,
};
use lakewright_aws::Needed as _;
use sha2::{Digest as _, Sha256};

use super::{MaxCapacity, Spec};
use crate::kind::{Context, Departure, Found, Outcome};
use crate::kinds::emr::SERVICE;
use crate::kinds::{tag_lists, tags};
use crate::resource::Condition;

/// A call with what create and update have in common and a started application doesn't take.
macro_rules! configured {
    ($call:expr, $spec:expr) => {
        $call
            .release_label($spec.release_label.as_str())
            .architecture((&$spec.architecture).into())
            .auto_start_configuration($crate::kinds::emr_application::wire::starts())
            .auto_stop_configuration($crate::kinds::emr_application::wire::stops($spec)?)
            .network_configuration($crate::kinds::emr_application::wire::network_of($spec))
    };
}
pub(super) use configured;

pub(super) fn starts() -> AutoStartConfig {
    AutoStartConfig::builder().enabled(true).build()
}

pub(super) fn stops(spec: &Spec) -> Result<AutoStopConfig> {
    Ok(AutoStopConfig::builder().enabled(true).idle_timeout_minutes(i32::try_from(spec.idle_timeout_minutes)?).build())
}

/// Empty lists take an application out of its network.
pub(super) fn network_of(spec: &Spec) -> NetworkConfiguration {
    NetworkConfiguration::builder()
        .set_subnet_ids(Some(spec.subnets.iter().cloned().map(Into::into).collect()))
        .set_security_group_ids(Some(spec.security_groups.iter().cloned().map(Into::into).collect()))
        .build()
}

pub(super) fn capacity_of(spec: &Spec) -> Result<MaximumAllowedResources> {
    let MaxCapacity { vcpu, memory_gb, disk_gb } = spec.max_capacity;
    let capacity = MaximumAllowedResources::builder().cpu(format!("{vcpu} vCPU")).memory(format!("{memory_gb} GB"));
    Ok(capacity.disk(format!("{disk_gb} GB")).build()?)
}

pub(super) fn image_of(spec: &Spec) -> ImageConfigurationInput {
    ImageConfigurationInput::builder().set_image_uri(spec.image.clone()).build()
}

pub(super) fn outcome(application: &Application) -> Result<Outcome> {
    let settings = settings(application);
    Ok(tags::outcome(id_of(application)?, &outputs(application, &settings)?))
}

/// A digest of the settings that no started application takes and that runs are made by: 16 hexadecimal digits.
fn settings(application: &Application) -> String {
    let network = application.network_configuration();
    let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ");
    let all = [
        application.release_label().to_owned(),
        application.architecture().map(ToString::to_string).unwrap_or_default(),
        set(network.map(NetworkConfiguration::subnet_ids).unwrap_or_default()),
        set(network.map(NetworkConfiguration::security_group_ids).unwrap_or_default()),
    ];
    hex::encode(&Sha256::digest(all.join("\n"))[..8])
}

fn id_of(application: &Application) -> Result<&str> {
    Ok(application.application_id().needed(SERVICE, "Application.applicationId")?)
}

fn outputs<'a>(application: &'a Application, settings: &'a str) -> Result<[(&'static str, &'a str); 4]> {
    let arn = application.arn().needed(SERVICE, "Application.arn")?;
    // Applications of others may have no name.
    let name = application.name().unwrap_or_default();
    Ok([("arn", arn), ("id", id_of(application)?), ("name", name), ("settings", settings)])
}

/// The application that exists; none if it isn't the stack's.
pub(super) fn read(context: &Context, application: &Application) -> Result<Option<Found<Spec>>> {
    let tags = tag_lists::read_map(application.tags());
    let Some(address) = tags::address(context, "emr_application", &tags) else { return Ok(None) };
    if *application.state() == ApplicationState::Terminated {
        return Ok(None);
    }
    let spec = spec_of(application)?;
    let settings = settings(application);
    let mut live = tags::found(address, &tags, id_of(application)?, spec, &outputs(application, &settings)?);
    // Jobs start it: what EMR leaves out is so.
    let starts = application.auto_start_configuration().and_then(AutoStartConfig::enabled);
    live.departures.extend(Departure::of("auto_start", starts.unwrap_or(true), true));
    if *application.state() == ApplicationState::Creating {
        live.condition = Condition::Pending(application.state().to_string());
    }
    Ok(Some(live))
}

fn spec_of(application: &Application) -> Result<Spec> {
    // Zero stands for no limit, and for one that isn't whole: a stack declares neither.
    let amount = |text: &str| text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let capacity = application.maximum_capacity();
    let disk = capacity.and_then(|capacity| capacity.disk());
    let stop = application.auto_stop_configuration().needed(SERVICE, "Application.autoStopConfiguration")?;
    let idle_timeout_minutes = if stop.enabled() == Some(false) {
        0
    } else {
        u32::try_from(stop.idle_timeout_minutes().needed(SERVICE, "AutoStopConfig.idleTimeoutMinutes")?)?
    };
    let architecture = application.architecture().needed(SERVICE, "Application.architecture")?;
    // One outside of all networks has no such member.
    let network = application.network_configuration();
    let subnets = network.map(NetworkConfiguration::subnet_ids).unwrap_or_default();
    let groups = network.map(NetworkConfiguration::security_group_ids).unwrap_or_default();
    let image = application.image_configuration().map(ImageConfiguration::image_uri).filter(|image| !image.is_empty());
    Ok(Spec {
        name: application.name().unwrap_or_default().into(),
        release_label: application.release_label().needed(SERVICE, "Application.releaseLabel")?.into(),
        architecture: architecture.into(),
        max_capacity: MaxCapacity {
            vcpu: capacity.map(|capacity| amount(capacity.cpu())).unwrap_or_default(),
            memory_gb: capacity.map(|capacity| amount(capacity.memory())).unwrap_or_default(),
            disk_gb: disk.map(amount).unwrap_or_default(),
        },
        idle_timeout_minutes,
        subnets: subnets.iter().map(|id| id.as_str().into()).collect(),
        security_groups: groups.iter().map(|id| id.as_str().into()).collect(),
        image: image.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_emrserverless::types;

    use super::super::Architecture;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let image = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/models:1";
        let spec = Spec {
            name: "shop".into(),
            release_label: "emr-7.9.0".into(),
            architecture: Architecture::X86,
            max_capacity: MaxCapacity { vcpu: 16, memory_gb: 64, disk_gb: 200 },
            idle_timeout_minutes: 15,
            subnets: vec!["subnet-1".into()],
            security_groups: vec!["sg-1".into()],
            image: Some(image.to_owned()),
        };
        let time = aws_smithy_types::DateTime::from_secs(0);
        let application = Application::builder()
            .application_id("00f1")
            .arn("arn:aws:emr-serverless:eu-north-1:123456789012:/applications/00f1")
            .name(spec.name.as_str())
            .release_label(spec.release_label.as_str())
            .r#type("Spark")
            .state(ApplicationState::Started)
            .created_at(time)
            .updated_at(time)
            .architecture((&spec.architecture).into())
            .maximum_capacity(capacity_of(&spec).expect("capacity"))
            .auto_stop_configuration(stops(&spec).expect("idle minutes"))
            .network_configuration(network_of(&spec))
            .image_configuration(ImageConfiguration::builder().image_uri(image).build().expect("an image"));
        let application = application.build().expect("an application");
        assert_eq!(spec_of(&application).expect("read"), spec);
    }

    #[test]
    fn settings_are_what_runs_are_made_by() {
        let time = aws_smithy_types::DateTime::from_secs(0);
        let settings_of = |release: &str, subnets: &[&str], minutes: i32| {
            let network = NetworkConfiguration::builder()
                .set_subnet_ids(Some(subnets.iter().map(|id| (*id).to_owned()).collect()))
                .security_group_ids("sg-1")
                .build();
            let application = Application::builder()
                .application_id("00f1")
                .arn("arn:aws:emr-serverless:eu-north-1:123456789012:/applications/00f1")
                .release_label(release)
                .r#type("Spark")
                .state(ApplicationState::Started)
                .created_at(time)
                .updated_at(time)
                .architecture(types::Architecture::Arm64)
                .auto_stop_configuration(AutoStopConfig::builder().idle_timeout_minutes(minutes).build())
                .network_configuration(network);
            settings(&application.build().expect("an application"))
        };
        let one = settings_of("emr-7.9.0", &["subnet-1", "subnet-2"], 15);
        assert_eq!((one.len(), one == settings_of("emr-7.9.0", &["subnet-2", "subnet-1"], 5)), (16, true));
        assert_ne!(one, settings_of("emr-7.10.0", &["subnet-1", "subnet-2"], 15));
        assert_ne!(one, settings_of("emr-7.9.0", &["subnet-1"], 15));
    }
}
