//! A launch template's version as EC2 takes it and gives it back.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_ec2::sdk::types::{
    self, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDevice, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptions,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateTagSpecificationRequest, LaunchTemplatesMonitoring,
    LaunchTemplatesMonitoringRequest, RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData, VolumeType,
};
use serde_json::Value;

use super::Spec;
use crate::kind::{Context, Departure, GIVEN, NAME, applied};
use crate::kinds::values::KeyId;
use crate::kinds::{tag_lists, tags};
use crate::resource::Address;

/// What a version says. Hosts and volumes carry the stack's name; the address is the group's alone. The tags of the stack file
/// hosts get from their group, which can change them, and volumes from the version, with a note of which those are.
pub(super) fn data(context: &Context, address: &Address, spec: &Spec) -> Result<RequestLaunchTemplateData> {
    let own = tags::own(context, address);
    let given = applied::with_tags(applied::FORMAT.to_owned(), &context.tags);
    let tagged = |resource_type: ResourceType| {
        let is_volume = resource_type == ResourceType::Volume;
        let of_file = |key: &str| key != tags::STACK && key != NAME;
        let told = own.iter().filter(|(key, _)| *key != tags::ADDRESS && (is_volume || !of_file(key)));
        let mut told: Vec<(&str, &str)> = told.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        // As many as a file gives fit into a tag.
        told.extend((is_volume && !context.tags.is_empty()).then_some((GIVEN, given.as_str())));
        LaunchTemplateTagSpecificationRequest::builder()
            .resource_type(resource_type)
            .set_tags(Some(tag_lists::written(&told)))
            .build()
    };
    let volume = LaunchTemplateEbsBlockDeviceRequest::builder()
        .volume_size(i32::try_from(spec.volume_size_gib)?)
        .volume_type(VolumeType::from(spec.volume_type.as_str()))
        .encrypted(spec.volume_encrypted)
        .delete_on_termination(true)
        .set_kms_key_id(spec.volume_key.clone().map(String::from))
        .build();
    let device = LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&spec.volume_device).ebs(volume);
    let tokens = if spec.metadata_tokens_required {
        LaunchTemplateHttpTokensState::Required
    } else {
        LaunchTemplateHttpTokensState::Optional
    };
    let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_tokens(tokens)
        .http_put_response_hop_limit(i32::try_from(spec.metadata_hop_limit)?);
    let monitoring = LaunchTemplatesMonitoringRequest::builder().enabled(spec.detailed_monitoring);
    let profile = spec
        .instance_profile
        .as_ref()
        .map(|name| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build());
    let groups = spec.security_groups.iter().map(ToString::to_string).collect();
    let user_data = (!spec.user_data.is_empty()).then(|| STANDARD.encode(&spec.user_data));
    Ok(RequestLaunchTemplateData::builder()
        .image_id(spec.image.as_str())
        .instance_type(spec.instance_type.as_str().into())
        .set_security_group_ids(Some(groups).filter(|groups: &Vec<String>| !groups.is_empty()))
        .block_device_mappings(device.build())
        .metadata_options(metadata.build())
        .monitoring(monitoring.build())
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume))
        .set_iam_instance_profile(profile)
        .set_user_data(user_data)
        .build())
}

/// Every member of a version is optional: what one leaves out, the image, the account or whoever starts hosts decides. Such a
/// version differs from every spec.
pub(super) fn read_data(name: &str, data: &ResponseLaunchTemplateData) -> Result<Spec> {
    let mapping = data.block_device_mappings().first();
    let volume = mapping.and_then(|mapping| mapping.ebs());
    let metadata = data.metadata_options();
    let user_data = STANDARD.decode(data.user_data().unwrap_or_default().trim()).unwrap_or_default();
    let hops = metadata.and_then(LaunchTemplateInstanceMetadataOptions::http_put_response_hop_limit);
    let tokens = metadata.and_then(|metadata| metadata.http_tokens());
    let volume_type = volume.and_then(|volume| volume.volume_type()).map(VolumeType::as_str);
    Ok(Spec {
        name: name.into(),
        image: data.image_id().unwrap_or_default().into(),
        instance_type: data.instance_type().map(types::InstanceType::as_str).unwrap_or_default().into(),
        instance_profile: data.iam_instance_profile().and_then(|profile| profile.name()).map(str::to_owned),
        security_groups: data.security_group_ids().iter().map(|id| id.as_str().into()).collect(),
        user_data: String::from_utf8_lossy(&user_data).into_owned(),
        volume_size_gib: u32::try_from(volume.and_then(LaunchTemplateEbsBlockDevice::volume_size).unwrap_or_default())?,
        volume_type: volume_type.unwrap_or_default().to_owned(),
        volume_encrypted: volume.and_then(LaunchTemplateEbsBlockDevice::encrypted).unwrap_or_default(),
        volume_device: mapping.and_then(|mapping| mapping.device_name()).unwrap_or_default().to_owned(),
        volume_key: volume.and_then(|volume| volume.kms_key_id()).map(KeyId::from),
        metadata_tokens_required: tokens == Some(&LaunchTemplateHttpTokensState::Required),
        metadata_hop_limit: u32::try_from(hops.unwrap_or_default())?,
        detailed_monitoring: data.monitoring().and_then(LaunchTemplatesMonitoring::enabled).unwrap_or_default(),
    })
}

/// What of a version is otherwise than in all that are made here, and what it has that none of them has. What EC2 leaves out
/// is as it is made.
pub(super) fn departures(data: &ResponseLaunchTemplateData, stack: &str) -> Vec<Departure> {
    let mappings = data.block_device_mappings();
    let ends = mappings.first().and_then(|mapping| mapping.ebs()?.delete_on_termination()).unwrap_or(true);
    let others: Vec<&str> = mappings.iter().skip(1).filter_map(|mapping| mapping.device_name()).collect();
    let enabled = LaunchTemplateInstanceMetadataEndpointState::Enabled;
    let endpoint = data.metadata_options().and_then(|metadata| metadata.http_endpoint()).unwrap_or(&enabled);
    let of_stack = [ResourceType::Instance, ResourceType::Volume].into_iter().all(|kind| {
        let tagged = data.tag_specifications().iter().find(|one| one.resource_type() == Some(&kind));
        tagged.is_some_and(|one| tag_lists::read(one.tags()).get(tags::STACK).is_some_and(|found| found == stack))
    });
    let market = data.instance_market_options().and_then(|market| market.market_type()).map(types::MarketType::as_str);
    let all = [
        Departure::of("volume_delete_on_termination", ends, true),
        Departure::of("other_volumes", others, Vec::<String>::new()),
        Departure::of("metadata_endpoint", endpoint.as_str(), enabled.as_str()),
        Departure::of("hosts_tagged", of_stack, true),
        Departure::of("network_interfaces", data.network_interfaces().len(), 0),
        Departure::of("key_name", data.key_name(), Value::Null),
        Departure::of("market", market, Value::Null),
    ];
    all.into_iter().flatten().collect()
}
