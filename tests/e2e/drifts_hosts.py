"""What people change by hand in the stack of hosts."""

from drifts import ANY, drift, own

IMAGE = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/models:1"


def volume(aws, index):
    return own(aws, "describe_volumes", "VolumeId", f"volume.data-{index}", stack="hosts")


@drift("volume.data-0", "throughput", 250, 500)
def a_volumes_throughput(aws):
    aws("ec2").modify_volume(VolumeId=volume(aws, 0), Throughput=250)


@drift("volume.data-1", None, None, None)
def a_volume_deleted(aws):
    aws("ec2").delete_volume(VolumeId=volume(aws, 1))


@drift("auto_scaling_group.plain", "launch_template_version", "$Default", "1")
def a_group_that_takes_whatever_is_the_default(aws):
    template = {"LaunchTemplateName": "hosts-plain", "Version": "$Default"}
    aws("autoscaling").update_auto_scaling_group(AutoScalingGroupName="hosts-plain", LaunchTemplate=template)


@drift("auto_scaling_group.plain", "suspended_processes", ["ReplaceUnhealthy", "Terminate"], None)
def a_group_that_ends_no_hosts(aws):
    names = ["Terminate", "ReplaceUnhealthy"]
    aws("autoscaling").suspend_processes(AutoScalingGroupName="hosts-plain", ScalingProcesses=names)


@drift("role.plain", "policies.own", None, ANY)
def a_statement_of_the_files_taken_away(aws):
    aws("iam").delete_role_policy(RoleName="hosts-plain", PolicyName="own")


@drift("emr_application.main", "image", None, IMAGE)
def an_applications_image_taken_away_while_it_is_started(aws):
    client = aws("emr-serverless")
    (one,) = client.list_applications()["applications"]
    client.start_application(applicationId=one["id"])
    client.update_application(applicationId=one["id"], clientToken="a-hand", imageConfiguration={})


@drift("emr_application.main", "idle_timeout_minutes", 99, 15)
def an_applications_idle_time(aws):
    client = aws("emr-serverless")
    (one,) = client.list_applications()["applications"]
    client.stop_application(applicationId=one["id"])
    stop = {"enabled": True, "idleTimeoutMinutes": 99}
    client.update_application(applicationId=one["id"], clientToken="another", autoStopConfiguration=stop)
    # It is stopped again for the fix.
    client.start_application(applicationId=one["id"])
