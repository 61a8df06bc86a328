package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.AppConfigurationEntry.LoginModuleControlFlag;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatchlogs.CloudWatchLogsClient;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.msk.auth.iam.IAMClientCallbackHandler;
import software.amazon.msk.auth.iam.internals.AWSCredentialsCallback;

/** What is shipped beside Iceberg's bundle works with the AWS SDK in it. */
class ShippedTest {
    @Test
    void mskLogsInByTheCredentialsOfTheSdk() throws Exception {
        System.setProperty("aws.accessKeyId", "key");
        System.setProperty("aws.secretAccessKey", "secret");
        IAMClientCallbackHandler handler = new IAMClientCallbackHandler();
        String module = "software.amazon.msk.auth.iam.IAMLoginModule";
        AppConfigurationEntry entry = new AppConfigurationEntry(module, LoginModuleControlFlag.REQUIRED, Map.of());
        handler.configure(Map.of(), "AWS_MSK_IAM", List.of(entry));
        AWSCredentialsCallback callback = new AWSCredentialsCallback();
        handler.handle(new Callback[] {callback});
        assertEquals("key", callback.getAwsCredentials().accessKeyId());
        handler.close();
    }

    @Test
    void reportsAreSentOverTheSdksHttp() {
        try (CloudWatchLogsClient client = CloudWatchLogsClient.builder().region(Region.EU_NORTH_1).build()) {
            assertEquals("logs", client.serviceName());
        }
    }

    @Test
    void secretsAreAskedForOverTheSdksHttp() {
        try (SecretsManagerClient client = SecretsManagerClient.builder().region(Region.EU_NORTH_1).build()) {
            assertEquals("secretsmanager", client.serviceName());
        }
    }
}
