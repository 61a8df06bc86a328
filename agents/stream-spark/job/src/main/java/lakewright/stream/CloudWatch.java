package lakewright.stream;

import java.util.UUID;
import software.amazon.awssdk.services.cloudwatchlogs.CloudWatchLogsClient;
import software.amazon.awssdk.services.cloudwatchlogs.model.InputLogEvent;
import software.amazon.awssdk.services.cloudwatchlogs.model.ResourceAlreadyExistsException;
import software.amazon.awssdk.services.cloudwatchlogs.model.ResourceNotFoundException;

/** A log stream of CloudWatch's of this process's own. */
final class CloudWatch implements Reports.Sink {
    private final String stream = "reports-" + UUID.randomUUID();
    private CloudWatchLogsClient client;
    /** The group that the stream was made in; null while it wasn't. */
    private String made;

    @Override
    public void send(String group, long timeMs, String line) {
        if (client == null) {
            client = CloudWatchLogsClient.create();
        }
        if (!group.equals(made)) {
            try {
                client.createLogStream(request -> request.logGroupName(group).logStreamName(stream));
            } catch (ResourceAlreadyExistsException error) {
                // An answer was lost.
            }
            made = group;
        }
        try {
            InputLogEvent event = InputLogEvent.builder().timestamp(timeMs).message(line).build();
            client.putLogEvents(request -> request.logGroupName(group).logStreamName(stream).logEvents(event));
        } catch (ResourceNotFoundException error) {
            // Somebody deleted the stream, or the group, which the next apply makes anew.
            made = null;
            throw error;
        }
    }
}
