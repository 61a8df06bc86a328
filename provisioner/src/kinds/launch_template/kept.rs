//! What a version keeps of the one before it: what no spec says stays as somebody made it.

use lakewright_ec2::sdk::types::{
    CapacityReservationTarget, CreditSpecificationRequest, LaunchTemplateCapacityReservationSpecificationRequest,
    LaunchTemplateCpuOptionsRequest, LaunchTemplateEnclaveOptionsRequest, LaunchTemplateHibernationOptionsRequest,
    LaunchTemplateInstanceMaintenanceOptionsRequest, LaunchTemplateLicenseConfigurationRequest,
    LaunchTemplateNetworkPerformanceOptionsRequest, LaunchTemplatePlacementRequest,
    LaunchTemplatePrivateDnsNameOptionsRequest, LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData,
    ResponseLaunchTemplateData, Tag,
};

use crate::kind::{GIVEN, applied};

/// Completes a version with what somebody added to the members that every version here has, and returns whether it may
/// inherit the others: EC2 has no way to say that one of them isn't inherited.
pub(super) fn keep(new: &mut RequestLaunchTemplateData, live: &ResponseLaunchTemplateData) -> bool {
    metadata(new, live);
    volume(new, live);
    tags(new, live);
    if inherits(new, live) {
        return true;
    }
    new.kernel_id.clone_from(&live.kernel_id);
    new.ram_disk_id.clone_from(&live.ram_disk_id);
    new.ebs_optimized = live.ebs_optimized;
    new.disable_api_stop = live.disable_api_stop;
    new.disable_api_termination = live.disable_api_termination;
    new.instance_initiated_shutdown_behavior.clone_from(&live.instance_initiated_shutdown_behavior);
    let credits = live.credit_specification().and_then(|credits| credits.cpu_credits());
    new.credit_specification =
        credits.map(|credits| CreditSpecificationRequest::builder().cpu_credits(credits).build());
    options(new, live);
    false
}

/// A member as EC2 takes it, of the one that it gives.
macro_rules! taken {
    ($live:expr, $request:ident { $($member:ident),+ }) => {
        $live.clone().map(|live| {
            let mut request = $request::builder().build();
            $(request.$member = live.$member;)+
            request
        })
    };
}

/// Where and how hosts run.
fn options(new: &mut RequestLaunchTemplateData, live: &ResponseLaunchTemplateData) {
    new.placement = taken!(
        live.placement,
        LaunchTemplatePlacementRequest {
            availability_zone,
            availability_zone_id,
            affinity,
            group_name,
            host_id,
            tenancy,
            spread_domain,
            host_resource_group_arn,
            partition_number,
            group_id
        }
    );
    new.cpu_options = taken!(
        live.cpu_options,
        LaunchTemplateCpuOptionsRequest { core_count, threads_per_core, amd_sev_snp, nested_virtualization }
    );
    new.hibernation_options = taken!(live.hibernation_options, LaunchTemplateHibernationOptionsRequest { configured });
    new.enclave_options = taken!(live.enclave_options, LaunchTemplateEnclaveOptionsRequest { enabled });
    new.private_dns_name_options = taken!(
        live.private_dns_name_options,
        LaunchTemplatePrivateDnsNameOptionsRequest {
            hostname_type,
            enable_resource_name_dns_a_record,
            enable_resource_name_dns_aaaa_record
        }
    );
    new.network_performance_options = taken!(
        live.network_performance_options,
        LaunchTemplateNetworkPerformanceOptionsRequest { bandwidth_weighting }
    );
    new.maintenance_options =
        taken!(live.maintenance_options, LaunchTemplateInstanceMaintenanceOptionsRequest { auto_recovery });
    let reservation = live.capacity_reservation_specification.clone();
    new.capacity_reservation_specification = reservation.map(|live| {
        let target = taken!(
            live.capacity_reservation_target,
            CapacityReservationTarget { capacity_reservation_id, capacity_reservation_resource_group_arn }
        );
        LaunchTemplateCapacityReservationSpecificationRequest::builder()
            .set_capacity_reservation_preference(live.capacity_reservation_preference)
            .set_capacity_reservation_target(target)
            .build()
    });
    let licences = live.license_specifications.iter().flatten().map(|live| {
        let arn = live.license_configuration_arn.clone();
        LaunchTemplateLicenseConfigurationRequest::builder().set_license_configuration_arn(arn).build()
    });
    new.license_specifications = live.license_specifications.is_some().then(|| licences.collect());
}

/// Whether nothing of the version before has to go.
fn inherits(new: &RequestLaunchTemplateData, live: &ResponseLaunchTemplateData) -> bool {
    let goes = [
        live.iam_instance_profile.is_some() && new.iam_instance_profile.is_none(),
        live.user_data().is_some_and(|text| !text.is_empty()) && new.user_data.is_none(),
        !live.security_group_ids().is_empty() && new.security_group_ids.is_none(),
        !live.security_groups().is_empty(),
        !live.network_interfaces().is_empty(),
        live.key_name.is_some(),
        live.instance_market_options.is_some(),
        // It stands in place of the instance type.
        live.instance_requirements.is_some(),
    ];
    !goes.contains(&true)
}

fn metadata(new: &mut RequestLaunchTemplateData, live: &ResponseLaunchTemplateData) {
    if let (Some(new), Some(live)) = (&mut new.metadata_options, &live.metadata_options) {
        new.http_protocol_ipv6.clone_from(&live.http_protocol_ipv6);
        new.instance_metadata_tags.clone_from(&live.instance_metadata_tags);
    }
}

fn volume(new: &mut RequestLaunchTemplateData, live: &ResponseLaunchTemplateData) {
    let Some(new) = new.block_device_mappings.as_mut().and_then(|all| all.first_mut()) else { return };
    let Some(live) = live.block_device_mappings().first().filter(|live| live.device_name == new.device_name) else {
        return;
    };
    if let (Some(new), Some(live)) = (&mut new.ebs, &live.ebs) {
        new.snapshot_id.clone_from(&live.snapshot_id);
        new.volume_initialization_rate = live.volume_initialization_rate;
        // Another type takes other ones, or none.
        if new.volume_type == live.volume_type {
            (new.iops, new.throughput) = (live.iops, live.throughput);
        }
    }
}

fn tags(new: &mut RequestLaunchTemplateData, live: &ResponseLaunchTemplateData) {
    let specifications = new.tag_specifications.get_or_insert_default();
    for live in live.tag_specifications() {
        let same = |one: &&mut LaunchTemplateTagSpecificationRequest| one.resource_type == live.resource_type;
        if let Some(own) = specifications.iter_mut().find(same) {
            let own = own.tags.get_or_insert_default();
            let mut given = live.tags().iter().filter(|tag| tag.key() == Some(GIVEN)).filter_map(Tag::value);
            let given = given.next();
            let was_ours = |tag: &Tag| {
                let (key, value) = (tag.key().unwrap_or_default(), tag.value().unwrap_or_default());
                key == GIVEN || applied::set_tag(given, key, value)
            };
            let others = live.tags().iter().filter(|tag| !own.iter().any(|one| one.key == tag.key) && !was_ours(tag));
            let others: Vec<_> = others.cloned().collect();
            own.extend(others);
        } else {
            let kept = LaunchTemplateTagSpecificationRequest::builder();
            let kept = kept.set_resource_type(live.resource_type.clone()).set_tags(live.tags.clone());
            specifications.push(kept.build());
        }
    }
}

#[cfg(test)]
mod tests {
    use lakewright_ec2::sdk::types::{
        LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateCpuOptions,
        LaunchTemplateEbsBlockDevice, LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateInstanceMetadataOptions,
        LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataTagsState,
        LaunchTemplateLicenseConfiguration, LaunchTemplatePlacement, LaunchTemplateTagSpecification, ResourceType,
        Tenancy, VolumeType,
    };

    use super::*;

    fn tag(key: &str) -> Tag {
        Tag::builder().key(key).value("v").build()
    }

    fn new() -> RequestLaunchTemplateData {
        let volume =
            LaunchTemplateEbsBlockDeviceRequest::builder().volume_type(VolumeType::Gp3).volume_size(20).build();
        let volume = LaunchTemplateBlockDeviceMappingRequest::builder().device_name("/dev/xvda").ebs(volume).build();
        let tags = LaunchTemplateTagSpecificationRequest::builder().resource_type(ResourceType::Instance);
        RequestLaunchTemplateData::builder()
            .block_device_mappings(volume)
            .metadata_options(LaunchTemplateInstanceMetadataOptionsRequest::builder().build())
            .tag_specifications(tags.tags(tag("Name")).build())
            .build()
    }

    fn live(kind: VolumeType) -> ResponseLaunchTemplateData {
        let volume = LaunchTemplateEbsBlockDevice::builder().volume_type(kind).volume_size(8).iops(4000).build();
        let volume = LaunchTemplateBlockDeviceMapping::builder().device_name("/dev/xvda").ebs(volume).build();
        let metadata = LaunchTemplateInstanceMetadataOptions::builder();
        let metadata = metadata.instance_metadata_tags(LaunchTemplateInstanceMetadataTagsState::Enabled).build();
        let tags = LaunchTemplateTagSpecification::builder().resource_type(ResourceType::Instance);
        let others = LaunchTemplateTagSpecification::builder().resource_type(ResourceType::NetworkInterface);
        ResponseLaunchTemplateData::builder()
            .block_device_mappings(volume)
            .metadata_options(metadata)
            .tag_specifications(tags.tags(tag("Name")).tags(tag("cost-centre")).build())
            .tag_specifications(others.tags(tag("cost-centre")).build())
            .disable_api_termination(true)
            .build()
    }

    #[test]
    fn what_somebody_added_stays() {
        let mut data = new();
        assert!(keep(&mut data, &live(VolumeType::Gp3)));
        let volume = data.block_device_mappings()[0].ebs().expect("a volume");
        assert_eq!((volume.volume_size, volume.iops), (Some(20), Some(4000)));
        let metadata = data.metadata_options().and_then(|metadata| metadata.instance_metadata_tags());
        assert_eq!(metadata, Some(&LaunchTemplateInstanceMetadataTagsState::Enabled));
        let tags = data.tag_specifications().iter().map(|one| one.tags().len());
        assert_eq!(tags.collect::<Vec<_>>(), [2, 1]);
        assert_eq!(data.disable_api_termination, None, "it is inherited");

        let mut data = new();
        assert!(keep(&mut data, &live(VolumeType::Gp2)));
        assert_eq!(data.block_device_mappings()[0].ebs().expect("a volume").iops, None);
    }

    #[test]
    fn a_tag_that_left_the_file_leaves_the_version_and_others_stay() {
        let of = |tags: &[(&str, &str)]| {
            let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
            let volume = ResourceType::Volume;
            LaunchTemplateTagSpecification::builder().resource_type(volume).set_tags(Some(tags)).build()
        };
        let given = [("cost-center".to_owned(), "42".to_owned())].into();
        let given = applied::with_tags(applied::FORMAT.to_owned(), &given);
        let before = [("team", "data"), ("cost-center", "42"), ("backup", "daily"), (GIVEN, given.as_str())];
        let live = ResponseLaunchTemplateData::builder().tag_specifications(of(&before)).build();
        let own = LaunchTemplateTagSpecificationRequest::builder().resource_type(ResourceType::Volume);
        let own = own.tags(Tag::builder().key("team").value("core").build()).build();
        let mut data = RequestLaunchTemplateData::builder().tag_specifications(own).build();
        tags(&mut data, &live);
        let all = data.tag_specifications()[0].tags().iter();
        let all: Vec<_> = all.map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())).collect();
        assert_eq!(all, [("team", "core"), ("backup", "daily")]);
    }

    #[test]
    fn a_version_before_it_of_which_something_goes_is_not_inherited() {
        let mut data = new();
        let mut before = live(VolumeType::Gp3);
        before.key_name = Some("somebodys".to_owned());
        assert!(!keep(&mut data, &before));
        assert_eq!(data.disable_api_termination, Some(true), "it stays all the same");
        let mut data = new();
        before.placement = Some(LaunchTemplatePlacement::builder().tenancy(Tenancy::Dedicated).group_name("g").build());
        before.cpu_options = Some(LaunchTemplateCpuOptions::builder().threads_per_core(1).build());
        before.license_specifications =
            Some(vec![LaunchTemplateLicenseConfiguration::builder().license_configuration_arn("arn:l").build()]);
        assert!(!keep(&mut data, &before));
        let placement = data.placement.expect("where it runs");
        assert_eq!((placement.tenancy, placement.group_name.as_deref()), (Some(Tenancy::Dedicated), Some("g")));
        assert_eq!(data.cpu_options.and_then(|cpu| cpu.threads_per_core), Some(1));
        assert_eq!(data.license_specifications.map(|all| all.len()), Some(1));
        assert_eq!(data.hibernation_options, None);
    }
}
